'use strict';
(() => {
  // The address of the page, with or without a slash at its end.
  const base = location.pathname.replace(/\/*$/, '/');
  const $ = (id) => document.getElementById(id);
  const SECOND = 1000;
  const MINUTE = 60 * SECOND;
  // As on the server: the newest samples are all kept, older ones every five seconds.
  const ALL = 15;
  const STEP = 5;
  const SPAN = 10 * MINUTE;
  const SPANS = [15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE];
  // A link to one cache is `#name`.
  const linked = decoded(location.hash.slice(1));
  function decoded(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      // A name with a percent sign that was not encoded.
      return text;
    }
  }

  // ---- Elements

  function el(tag, properties, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(properties || {})) {
      if (name === 'class') node.className = value;
      else node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }
  function svg(tag, properties) {
    const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(properties || {})) node.setAttribute(name, value);
    return node;
  }
  // Touches the document only on a change: a screen reader is not disturbed, nothing is laid out.
  function put(node, text) {
    if (node.textContent !== text) node.textContent = text;
  }
  function set(node, name, value) {
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  }

  // ---- Texts of figures

  const NONE = '–';
  const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
  const tenths = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
  const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
  function count(value) {
    return value >= 1e6 ? compact.format(value) : whole.format(value);
  }
  function plural(value, one, many) {
    return count(value) + ' ' + (value === 1 ? one : many);
  }
  function rate(value) {
    if (value === null) return NONE;
    if (value > 0 && value < 0.05) return '<0.1';
    if (value >= 1e5) return compact.format(value);
    return value < 100 ? tenths.format(value) : whole.format(value);
  }
  function percent(value) {
    if (value === null) return NONE;
    const shown = value * 100;
    // 99.96 % is not 100 %.
    if (shown < 100 && shown > 99.9) return '99.9 %';
    return tenths.format(shown) + ' %';
  }
  function time(seconds) {
    if (seconds === null) return NONE;
    const digits = (value) => (value < 10 ? tenths : whole).format(value);
    if (seconds < 1e-3) return digits(seconds * 1e6) + ' µs';
    if (seconds < 1) return digits(seconds * 1e3) + ' ms';
    if (seconds < 120) return digits(seconds) + ' s';
    return digits(seconds / 60) + ' min';
  }

  // ---- Figures from raw counters

  // The samples of one cache, or of all caches together, oldest first.
  class Series {
    constructor() {
      this.samples = [];
    }
    add(sample) {
      const last = this.last();
      // A cache that was built again under the same name counts from zero.
      if (last && (sample.requests < last.requests || sample.insertions < last.insertions || sample.loads < last.loads)) this.samples = [];
      this.samples.push(sample);
      const from = sample.number - ALL;
      this.samples = this.samples.filter((s) => (s.number > from || s.number % STEP === 0) && s.at >= sample.at - SPAN);
    }
    last() {
      return this.samples[this.samples.length - 1];
    }
    // The newest sample that is at least `span` older than the last one, or the oldest one.
    before(span) {
      const until = this.last().at - span;
      let found = this.samples[0];
      for (const sample of this.samples) {
        if (sample.at > until) break;
        found = sample;
      }
      return found;
    }
    rate(span, counter) {
      const last = this.last();
      return ratePerSecond(this.before(span), last, counter);
    }
    ratio(span) {
      return hitRatio(this.before(span), this.last());
    }
    // The samples that lines connect: one every five seconds, the first and the last one. All of
    // them while they are few.
    points() {
      const last = this.samples.length - 1;
      return this.samples.filter((s, index) => last <= ALL || s.number % STEP === 0 || index === 0 || index === last);
    }
    // The time that lines show: ten minutes, or less as long as the samples are younger.
    span() {
      const age = this.last().at - this.samples[0].at;
      return SPANS.find((span) => age <= span) || SPAN;
    }
  }
  function ratePerSecond(from, to, counter) {
    const elapsed = (to.at - from.at) / SECOND;
    return elapsed > 0 ? (counter(to) - counter(from)) / elapsed : null;
  }
  function hitRatio(from, to) {
    const requests = to.requests - from.requests;
    return requests > 0 ? (to.hits - from.hits) / requests : null;
  }
  // The share of requests that were answered without a load of their own: hits, and misses that
  // joined a load.
  function answered(from, to) {
    const requests = to.requests - from.requests;
    return requests > 0 ? (to.hits - from.hits + to.coalesced - from.coalesced) / requests : null;
  }
  function meanBatch(from, to) {
    const batches = to.batches - from.batches;
    return batches > 0 ? (to.batched_keys - from.batched_keys) / batches : null;
  }
  // The time below which a share `q` of the loads between two samples took. A bucket is its bounds
  // in nanoseconds and its count; the last bucket has no upper bound.
  function quantile(from, to, q) {
    const before = new Map((from.load_times || []).map(([low, , value]) => [low, value]));
    const buckets = (to.load_times || []).map(([low, high, value]) => [low, high === null ? low : high, value - (before.get(low) || 0)]);
    let left = q * buckets.reduce((total, [, , value]) => total + value, 0);
    for (const [low, high, value] of buckets) {
      if (value > 0 && left <= value) return (low + (high - low) * (left / value)) / 1e9;
      left -= value;
    }
    return null;
  }
  const evicted = (s) => s.removed.size + s.removed.expired + s.removed.oversized;
  const fresh = (counter) => (s) => (s.freshness ? s.freshness[counter] : 0);
  const tier = (counter) => (s) => (s.tier ? s.tier[counter] : 0);
  const fills = (s) => tier('fills_stored')(s) + tier('fills_refused')(s) + tier('fills_rejected')(s) + tier('fills_failed')(s);
  // The share of loads that found a value in the second tier.
  function tierRatio(from, to) {
    const loads = ['hits', 'misses', 'bypassed'].reduce((total, name) => total + tier(name)(to) - tier(name)(from), 0);
    return loads > 0 ? (tier('hits')(to) - tier('hits')(from)) / loads : null;
  }
  const CAUSES = [
    ['size', 'capacity'],
    ['expired', 'expired'],
    ['oversized', 'too heavy'],
  ];

  // ---- Columns of the table. Each makes the content of a cell and returns what updates it.

  const RATE = 5 * SECOND;
  const RATIO = 10 * SECOND;
  function twoLines(cell, show) {
    const main = el('b');
    const small = el('small');
    cell.append(main, small);
    return (series) => {
      const [first, second, kind] = show(series);
      put(main, first);
      put(small, second);
      main.className = kind || '';
    };
  }
  const COLUMNS = [
    {
      title: 'Fill',
      key: 'fill',
      make(cell) {
        const main = el('b');
        const fill = el('i');
        const bar = el('span', { class: 'bar', 'aria-hidden': 'true' }, fill);
        const small = el('small');
        cell.append(main, bar, small);
        return (series) => {
          const now = series.last();
          const weighted = now.weight !== now.entries;
          const used = count(weighted ? now.weight : now.entries);
          bar.hidden = now.capacity === null;
          if (now.capacity === null) {
            put(main, used);
            put(small, weighted ? plural(now.entries, 'entry', 'entries') : 'no bound');
            return;
          }
          const share = now.capacity > 0 ? now.weight / now.capacity : 0;
          fill.style.width = Math.min(100, share * 100) + '%';
          put(main, used + ' / ' + count(now.capacity));
          put(small, percent(share) + (weighted ? ', ' + plural(now.entries, 'entry', 'entries') : ''));
        };
      },
    },
    {
      title: 'Requests/s',
      key: 'requests',
      make(cell) {
        const main = el('b');
        const area = svg('path', { class: 'area' });
        const line = svg('path');
        const spark = svg('svg', { class: 'spark', viewBox: '0 0 100 100', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
        spark.append(area, line);
        cell.append(main, spark);
        return (series) => {
          put(main, rate(series.rate(RATE, (s) => s.requests)));
          const points = steps(series.points(), (from, to) => ratePerSecond(from, to, (s) => s.requests));
          const top = highest([points]);
          set(line, 'd', path(points, series, top, 8, 94));
          set(area, 'd', path(points, series, top, 8, 94, true));
        };
      },
    },
    {
      title: 'Hit ratio',
      key: 'ratio',
      make(cell) {
        const update = twoLines(cell, (series) => [percent(series.ratio(RATIO)), percent(series.ratio(5 * MINUTE)) + ' in 5 min']);
        const small = el('small');
        cell.append(small);
        return (series) => {
          update(series);
          put(small, percent(answered(series.before(RATIO), series.last())) + ' without a load');
        };
      },
    },
    {
      title: 'Loads/s',
      key: 'loads',
      make: (cell) => twoLines(cell, (series) => [rate(series.rate(RATE, (s) => s.loads)), count(series.last().in_flight) + ' in flight']),
    },
    {
      title: 'Load time',
      key: 'time',
      make(cell) {
        const trio = el('span', { class: 'trio' });
        const values = [0.5, 0.95, 0.99].map((q) => {
          const value = el('span', { class: 'main' });
          trio.append(el('small', {}, 'p' + q * 100), value);
          return [q, value];
        });
        cell.append(trio);
        return (series) => {
          const from = series.before(MINUTE);
          for (const [q, value] of values) put(value, time(quantile(from, series.last(), q)));
        };
      },
    },
    {
      title: 'Evictions/s',
      key: 'evictions',
      make(cell) {
        const main = el('b');
        const bar = el('span', { class: 'bar', 'aria-hidden': 'true' });
        const parts = CAUSES.map(([cause]) => bar.appendChild(el('i', { class: cause })));
        const small = el('small');
        cell.append(main, bar, small);
        return (series) => {
          const rates = CAUSES.map(([cause]) => series.rate(RATE, (s) => s.removed[cause]) || 0);
          const total = rates.reduce((sum, value) => sum + value, 0);
          put(main, rate(series.rate(RATE, evicted)));
          parts.forEach((part, index) => {
            part.style.width = total > 0 ? (rates[index] / total) * 100 + '%' : '0';
          });
          const shown = CAUSES.map(([, name], index) => [name, rates[index]]).filter(([, value]) => value > 0);
          bar.hidden = total === 0;
          put(small, total > 0 ? shown.map(([name, value]) => name + '\u00a0' + rate(value)).join(', ') : count(evicted(series.last())) + ' in total');
        };
      },
    },
    {
      title: 'Batches/s',
      key: 'batches',
      make: (cell) =>
        twoLines(cell, (series) => {
          if (series.last().batches === 0) return [NONE, ''];
          const mean = meanBatch(series.before(MINUTE), series.last());
          return [rate(series.rate(RATE, (s) => s.batches)), mean === null ? 'none lately' : '× ' + tenths.format(mean) + (mean === 1 ? ' key' : ' keys')];
        }),
    },
    {
      title: 'Failures/s',
      key: 'failures',
      make: (cell) =>
        twoLines(cell, (series) => {
          const now = series.rate(RATE, (s) => s.load_failures);
          const total = series.last().load_failures;
          return [rate(now), count(total) + ' in total', now > 0 ? 'bad' : ''];
        }),
    },
    {
      title: 'Fenced',
      key: 'fenced',
      make: (cell) =>
        twoLines(cell, (series) => {
          const now = series.rate(MINUTE, (s) => s.loads_fenced);
          return [count(series.last().loads_fenced), now > 0 ? whole.format(now * 60) + ' in a minute' : 'in total'];
        }),
    },
    {
      title: 'Freshness',
      key: 'freshness',
      optional: 'freshness',
      make: (cell) =>
        twoLines(cell, (series) => {
          const now = series.last();
          if (!now.freshness) return [NONE, ''];
          const refreshes = series.rate(RATE, fresh('refreshes'));
          const failures = now.freshness.refresh_failures;
          const stale = count(now.freshness.stale_hits) + ' stale hits';
          return [rate(refreshes) + ' refreshes/s', failures > 0 ? stale + ', ' + count(failures) + ' failed' : stale];
        }),
    },
    {
      title: 'Second tier',
      key: 'tier',
      optional: 'tier',
      make(cell) {
        const update = twoLines(cell, (series) => {
          const now = series.last();
          if (!now.tier) return [NONE, ''];
          const ratio = percent(tierRatio(series.before(RATIO), now));
          return [rate(series.rate(RATE, tier('hits'))) + ' hits/s', ratio + ' of loads, ' + rate(series.rate(RATE, fills)) + ' fills/s'];
        });
        const small = el('small');
        const state = el('small');
        cell.append(small, state);
        return (series) => {
          update(series);
          const now = series.last();
          put(small, now.tier ? rate(series.rate(RATE, tier('invalidations_heard'))) + ' invalidations/s' : '');
          const isPast = now.tier && series.rate(RATE, tier('past_horizon')) > 0;
          const lag = now.tier ? 'lag ' + time(now.tier.horizon_lag_seconds) : '';
          put(state, now.tier && now.tier.breaker_open ? 'bypassed: breaker open' : isPast ? lag + ', first tier not used' : lag);
          state.className = (now.tier && now.tier.breaker_open) || isPast ? 'bad' : '';
        };
      },
    },
  ];
  COLUMNS.forEach((column) => {
    column.head = el('th', { role: 'columnheader', scope: 'col' }, column.title);
  });
  $('columns').append(el('th', { role: 'columnheader', scope: 'col' }, 'Cache'), ...COLUMNS.map((column) => column.head));

  // ---- Lines

  // A value for each pair of neighbors, at the time of the later one. No line crosses a gap.
  function steps(samples, value) {
    const points = [];
    for (let i = 1; i < samples.length; i++) {
      const gap = samples[i].at - samples[i - 1].at > 3 * STEP * SECOND;
      points.push({ at: samples[i].at, value: gap ? null : value(samples[i - 1], samples[i]) });
    }
    return points;
  }
  function highest(lines) {
    let top = 0;
    for (const line of lines) for (const point of line) if (point.value > top) top = point.value;
    return top || 1;
  }
  // The line over the time of the series from 0 to 100, between the heights `up` and `down`.
  function path(points, series, top, up, down, isArea) {
    let text = '';
    let open = null;
    const [now, span] = [series.last().at, series.span()];
    const x = (point) => (100 - ((now - point.at) / span) * 100).toFixed(2);
    const end = () => {
      if (isArea && open) text += 'V' + down + 'H' + x(open) + 'Z';
      open = null;
    };
    for (const point of points) {
      if (point.value === null) {
        end();
        continue;
      }
      const y = (down - (Math.min(point.value, top) / top) * (down - up)).toFixed(2);
      text += (open ? 'L' : 'M') + x(point) + ' ' + y;
      open = open || point;
    }
    end();
    return text;
  }

  const per = (counter) => (from, to) => ratePerSecond(from, to, counter);
  const CHARTS = [
    { title: 'Requests per second', unit: rate, lines: [['hits', per((s) => s.hits)], ['misses', per((s) => s.misses), 'c2']] },
    { title: 'Hit ratio', unit: percent, top: () => 1, lines: [['hits', hitRatio], ['without a load', answered, 'c1']] },
    { title: 'Loads per second', unit: rate, lines: [['loads', per((s) => s.loads)], ['requests joined', per((s) => s.coalesced), 'c1']] },
    {
      title: 'Load time',
      unit: time,
      lines: [
        ['p50', (from, to) => quantile(from, to, 0.5)],
        ['p95', (from, to) => quantile(from, to, 0.95), 'c4'],
        ['p99', (from, to) => quantile(from, to, 0.99), 'c2'],
      ],
    },
    { title: 'Loads in flight', unit: rate, lines: [['in flight', (_, to) => to.in_flight]] },
    { title: 'Fill', unit: count, top: (now) => now.capacity, lines: [['weight', (_, to) => to.weight]] },
    {
      title: 'Evictions per second',
      unit: rate,
      lines: CAUSES.map(([cause, name], index) => [name, per((s) => s.removed[cause]), ['', 'c2', 'c3'][index]]),
    },
    { title: 'Failures per second', unit: rate, lines: [['failed', per((s) => s.load_failures), 'c3'], ['dropped', per((s) => s.loads_dropped), 'c2'], ['fenced', per((s) => s.loads_fenced), 'c4']] },
    { title: 'Keys in a batch', unit: rate, when: (now) => now.batches > 0, lines: [['mean', meanBatch, 'c1']] },
    { title: 'Batches per second', unit: rate, when: (now) => now.batches > 0, lines: [['batches', per((s) => s.batches), 'c1']] },
    {
      title: 'Refreshes and stale hits per second',
      unit: rate,
      when: (now) => now.freshness,
      lines: [
        ['refreshes', per(fresh('refreshes'))],
        ['stale hits', per(fresh('stale_hits')), 'c2'],
        ['failed', per(fresh('refresh_failures')), 'c3'],
      ],
    },
    {
      title: 'Second tier: loads per second',
      unit: rate,
      when: (now) => now.tier,
      lines: [['hits', per(tier('hits'))], ['misses', per(tier('misses')), 'c2'], ['bypassed', per(tier('bypassed')), 'c3']],
    },
    {
      title: 'Second tier: fills and invalidations per second',
      unit: rate,
      when: (now) => now.tier,
      lines: [['fills', per(fills)], ['refused', per(tier('fills_refused')), 'c2'], ['invalidations', per(tier('invalidations_heard')), 'c1']],
    },
    { title: 'Second tier: horizon lag', unit: time, when: (now) => now.tier, lines: [['lag', (_, to) => tier('horizon_lag_seconds')(to)]] },
  ];

  // The place on the lines that the pointer reads, from now (0) to their begin (1); null without a
  // pointer.
  let pointed = null;

  class Chart {
    constructor(definition) {
      this.definition = definition;
      this.paths = definition.lines.map(([, , color]) => svg('path', { class: color || '' }));
      const area = definition.lines.length === 1 && !definition.lines[0][2];
      this.area = area ? svg('path', { class: 'area' }) : null;
      this.cursor = svg('line', { y1: 0, y2: 100 });
      const drawing = svg('svg', { viewBox: '0 0 100 100', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
      if (this.area) drawing.append(this.area);
      drawing.append(...this.paths, this.cursor);
      this.top = el('span', { class: 'top', 'aria-hidden': 'true' });
      this.plot = el('div', { class: 'plot', role: 'img' }, drawing, this.top);
      this.values = definition.lines.map(() => el('b'));
      const legend = definition.lines.map(([name, , color], index) => el('span', { class: color || '' }, name + ' ', this.values[index]));
      this.from = el('span');
      this.when = el('span');
      this.node = el('figure', { class: 'chart' }, el('h2', {}, definition.title), el('div', { class: 'legend' }, ...legend), this.plot, el('div', { class: 'axis', 'aria-hidden': 'true' }, this.from, this.when));
      this.plot.addEventListener('pointermove', (event) => {
        const box = this.plot.getBoundingClientRect();
        pointed = Math.max(0, 1 - (event.clientX - box.left) / box.width);
        schedule();
      });
      this.plot.addEventListener('pointerleave', () => {
        pointed = null;
        schedule();
      });
    }
    update(series) {
      const now = series.last();
      const definition = this.definition;
      this.node.hidden = Boolean(definition.when) && !definition.when(now);
      if (this.node.hidden) return;
      const samples = series.points();
      const lines = definition.lines.map(([, value]) => steps(samples, value));
      const top = Math.max((definition.top && definition.top(now)) || 0, 0) || highest(lines);
      lines.forEach((line, index) => set(this.paths[index], 'd', path(line, series, top, 4, 100)));
      if (this.area) set(this.area, 'd', path(lines[0], series, top, 4, 100, true));
      put(this.top, lines.some((line) => line.some((point) => point.value !== null)) ? definition.unit(top) : '');
      const span = series.span();
      const text = span < MINUTE ? span / SECOND + ' s' : span / MINUTE + ' min';
      put(this.from, text + ' ago');
      const at = now.at - (pointed || 0) * span;
      const near = lines.map((line) => nearest(line, at));
      near.forEach((point, index) => put(this.values[index], point ? definition.unit(point.value) : NONE));
      const age = near[0] && pointed !== null ? now.at - near[0].at : null;
      put(this.when, age ? Math.floor(age / MINUTE) + ':' + String(Math.round((age % MINUTE) / SECOND) % 60).padStart(2, '0') + ' ago' : 'now');
      const x = age === null ? -10 : 100 - (age / span) * 100;
      set(this.cursor, 'x1', String(x));
      set(this.cursor, 'x2', String(x));
      const texts = definition.lines.map(([name], index) => {
        const values = lines[index].map((point) => point.value).filter((value) => value !== null);
        if (values.length === 0) return name + ' ' + NONE;
        return name + ' ' + definition.unit(values[values.length - 1]) + ', at most ' + definition.unit(Math.max(...values));
      });
      set(this.plot, 'aria-label', definition.title + ' in the last ' + text + '. Now: ' + texts.join('; ') + '.');
    }
  }
  function nearest(line, at) {
    let found = null;
    for (const point of line) if (!found || Math.abs(point.at - at) < Math.abs(found.at - at)) found = point;
    return found;
  }

  // ---- Rows

  let ids = 0;
  class Row {
    constructor(name) {
      this.series = new Series();
      const id = 'details-' + ++ids;
      this.button = el('button', { class: 'name', type: 'button', 'aria-expanded': 'false', 'aria-controls': id }, name);
      const cells = COLUMNS.map((column) => el('td', { role: 'cell', 'data-figure': column.key }, el('span', { class: 'label' }, column.title)));
      this.cells = cells;
      this.updates = COLUMNS.map((column, index) => column.make(cells[index]));
      const head = el('tr', { class: 'cache', role: 'row' }, el('th', { role: 'rowheader', scope: 'row' }, this.button), ...cells);
      this.place = el('td', { role: 'cell', colspan: String(COLUMNS.length + 1) });
      this.details = el('tr', { class: 'details', role: 'row', id }, this.place);
      this.details.hidden = true;
      this.charts = null;
      this.node = el('tbody', { role: 'rowgroup', 'data-cache': name }, head, this.details);
      // A click anywhere in the row, unless it selects text. The button is for the keyboard, whose
      // clicks select nothing, whatever is selected elsewhere.
      head.addEventListener('click', (event) => {
        if (event.target === this.button || String(getSelection()) === '') this.toggle();
      });
    }
    toggle() {
      this.details.hidden = !this.details.hidden;
      this.button.setAttribute('aria-expanded', String(!this.details.hidden));
      if (!this.charts) {
        this.charts = CHARTS.map((definition) => new Chart(definition));
        this.gauge = el('p', { class: 'gauge' });
        this.place.append(el('div', { class: 'charts' }, ...this.charts.map((chart) => chart.node)), this.gauge);
      }
      schedule();
    }
    update(isShown) {
      this.updates.forEach((update, index) => {
        this.cells[index].hidden = !isShown(COLUMNS[index]);
        update(this.series);
      });
      if (this.details.hidden) return;
      for (const chart of this.charts) chart.update(this.series);
      const now = this.series.last();
      const counts = [[now.requests, 'request'], [now.loads, 'load'], [now.coalesced, 'joined load'], [now.insertions, 'insertion'], [now.removed.explicit, 'removal'], [now.removed.replaced, 'replacement']];
      const texts = counts.map(([value, noun]) => plural(value, noun, noun + 's'));
      put(this.gauge, 'Since start: ' + texts.join(', ') + '. The cache itself holds ' + bytes(now.memory_bytes) + '.');
    }
  }
  function bytes(value) {
    for (const unit of ['bytes', 'kB', 'MB']) {
      if (value < 1000) return tenths.format(value) + ' ' + unit;
      value /= 1000;
    }
    return tenths.format(value) + ' GB';
  }

  // ---- All caches together

  const perSecond = (all, counter) => rate(sum(all, (s) => s.rate(RATE, counter)));
  const sinceStart = (all, counter) => count(sum(all, (s) => counter(s.last()))) + ' since start';
  // A ratio of all requests, as one cache would have it.
  function overall(all, ratio) {
    const totals = (sample) => ['requests', 'hits', 'coalesced'].map((name) => [name, sum(all, (s) => sample(s)[name])]);
    const [from, to] = [(s) => s.before(RATIO), (s) => s.last()].map((sample) => Object.fromEntries(totals(sample)));
    return percent(ratio(from, to));
  }
  // Of each: the title, the figure, its unit, and a second line.
  const TOTALS = [
    ['requests', 'Requests', '/s', (all) => [perSecond(all, (c) => c.requests), plural(all.length, 'cache', 'caches')]],
    ['ratio', 'Hit ratio, 10 s', '', (all) => [overall(all, hitRatio), overall(all, answered) + ' without a load']],
    ['loads', 'Loads', '/s', (all) => [perSecond(all, (c) => c.loads), perSecond(all, (c) => c.coalesced) + ' requests/s joined']],
    ['flight', 'Loads in flight', '', (all) => [count(sum(all, (s) => s.last().in_flight)), count(sum(all, (s) => s.last().loads_fenced)) + ' fenced since start']],
    ['evictions', 'Evictions', '/s', (all) => [perSecond(all, evicted), sinceStart(all, evicted)]],
    ['failures', 'Failed loads', '/s', (all) => [perSecond(all, (c) => c.load_failures), sinceStart(all, (c) => c.load_failures)]],
  ].map(([key, title, unit, show]) => {
    const [value, note] = [el('span'), el('dd', { class: 'note' })];
    const box = el('dd', { 'data-total': key }, value, ' ', el('small', {}, unit));
    $('totals').append(el('div', {}, el('dt', {}, title), box, note));
    return { value, note, show };
  });
  function sum(all, value) {
    return all.reduce((total, series) => total + (value(series) || 0), 0);
  }

  // ---- Samples

  const rows = new Map();
  let run = null;
  let newest = 0;
  let restarted = 0;
  function hello(event) {
    const greeting = JSON.parse(event.data);
    if (run !== null && greeting.run !== run) {
      restarted = Date.now();
      newest = 0;
      for (const row of rows.values()) row.series = new Series();
    }
    run = greeting.run;
    received();
  }
  function sampled(event) {
    received();
    const [id, text] = event.lastEventId.split('-');
    const number = Number(text);
    // After a new connection the server sends samples that are here already.
    if (id !== run || number <= newest) return;
    newest = number;
    const sample = JSON.parse(event.data);
    const table = $('figures').querySelector('table');
    const names = new Set();
    for (const cache of sample.caches) {
      names.add(cache.name);
      let row = rows.get(cache.name);
      if (!row) {
        row = new Row(cache.name);
        rows.set(cache.name, row);
        const next = [...rows.keys()].filter((name) => name > cache.name).sort()[0];
        table.insertBefore(row.node, next === undefined ? null : rows.get(next).node);
        if (cache.name === linked) row.toggle();
      }
      row.series.add({ ...cache, number, at: sample.at, requests: cache.hits + cache.misses });
    }
    for (const [name, row] of rows) {
      if (names.has(name)) continue;
      row.node.remove();
      rows.delete(name);
    }
    schedule();
  }
  let scheduled = false;
  function schedule() {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      const live = [...rows.values()].filter((row) => row.series.last());
      $('empty').hidden = newest === 0 || live.length > 0;
      $('figures').hidden = live.length === 0;
      const isShown = ({ optional }) => !optional || live.some((row) => row.series.last()[optional]);
      for (const column of COLUMNS) column.head.hidden = !isShown(column);
      for (const row of live) row.update(isShown);
      const all = live.map((row) => row.series);
      for (const { value, note, show } of TOTALS) {
        const [text, second] = show(all);
        put(value, text);
        put(note, second);
      }
    });
  }

  // ---- The connection

  let source = null;
  let heard = Date.now();
  let connected = false;
  function connect() {
    if (source) source.close();
    source = new EventSource(base + 'events');
    source.addEventListener('hello', hello);
    source.addEventListener('message', sampled);
    source.addEventListener('error', () => {
      connected = false;
      watch();
    });
  }
  function received() {
    heard = Date.now();
    connected = true;
    watch();
  }
  let retried = Date.now();
  function watch() {
    const silent = Date.now() - heard;
    const state = connected && silent < 4 * SECOND ? (Date.now() - restarted < MINUTE ? 'restarted' : 'live') : run === null && silent < 4 * SECOND ? 'connecting' : 'lost';
    set($('link'), 'data-state', state);
    put($('link-text'), { live: 'Live', connecting: 'Connecting', restarted: 'Live, the server restarted', lost: 'No answer from the server, reconnecting' }[state]);
    put($('link-age'), state === 'lost' ? Math.round(silent / SECOND) + ' s' : '');
    document.documentElement.classList.toggle('stale', state === 'lost');
    // A browser connects again on its own, but neither after an error response nor if a connection
    // is silent.
    if (state === 'lost' && Date.now() - retried > 3 * SECOND && (source.readyState === EventSource.CLOSED || (connected && silent > 8 * SECOND))) {
      retried = Date.now();
      connected = false;
      connect();
    }
  }

  if (window.self !== window.top) document.documentElement.classList.add('embedded');
  $('link').append(el('span', { id: 'link-age', 'aria-hidden': 'true' }));
  $('json').href = base + 'stats.json';
  connect();
  setInterval(watch, SECOND);
})();
