'use strict';
(() => {
  const $ = (id) => document.getElementById(id);
  const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

  function el(tag, className, ...children) {
    const node = document.createElement(tag);
    node.className = className;
    node.append(...children);
    return node;
  }

  // ---- The state of the shop

  function show(state) {
    $('users').textContent = whole.format(state.users);
    $('requests').textContent = whole.format(state.requests);
    $('queries').textContent = whole.format(state.queries);
    $('share').textContent = state.requests > 0 ? (Math.max(0, 1 - state.queries / state.requests) * 100).toFixed(1) + ' %' : '–';
  }
  function showSettings(state) {
    $('rate').value = state.rate;
    $('rate-shown').textContent = whole.format(state.rate);
    $('capacity').value = state.capacity;
    $('ttl').value = state.ttl;
    document.querySelector('input[name="backend"][value="' + state.backend + '"]').checked = true;
  }
  async function answer(response) {
    if (!response.ok) throw new Error(await response.text());
    return response.json();
  }
  let known = false;
  async function poll() {
    try {
      const state = await answer(await fetch('state', { signal: AbortSignal.timeout(5000) }));
      show(state);
      // Also after a restart of the server, which has its own settings.
      if (!known) showSettings(state);
      known = true;
      $('offline').textContent = '';
    } catch {
      known = false;
      $('offline').textContent = 'The shop does not answer. This page continues when it does.';
    }
    setTimeout(poll, known ? 1000 : 2000);
  }

  async function change(changes) {
    try {
      const body = JSON.stringify(changes);
      const headers = { 'content-type': 'application/json' };
      const state = await answer(await fetch('settings', { method: 'POST', headers, body }));
      showSettings(state);
      applied('Applied: ' + whole.format(state.rate) + ' page views per second, database ' + state.backend + ', capacity ' + whole.format(state.capacity) + ', TTL ' + whole.format(state.ttl) + ' s for values stored from now on.', '');
    } catch (error) {
      applied('Not applied: ' + error.message + '.', 'bad');
    }
  }
  function applied(text, kind) {
    $('applied').textContent = text;
    $('applied').className = 'hint ' + kind;
  }
  $('rate').addEventListener('input', () => {
    $('rate-shown').textContent = whole.format($('rate').value);
  });
  $('rate').addEventListener('change', () => change({ rate: Number($('rate').value) }));
  for (const choice of document.querySelectorAll('input[name="backend"]')) {
    choice.addEventListener('change', () => change({ backend: choice.value }));
  }
  $('settings').addEventListener('submit', (event) => {
    event.preventDefault();
    change({ capacity: Number($('capacity').value), ttl: Number($('ttl').value) });
  });

  // ---- Actions

  function milliseconds(value) {
    return (value < 10 ? value.toFixed(1) : whole.format(value)) + ' ms';
  }
  function cost(name, kind, cost, most) {
    const bar = el('i', '');
    bar.style.width = (most > 0 ? (cost.queries / most) * 100 : 0) + '%';
    bar.hidden = cost.queries === 0;
    const queries = whole.format(cost.queries) + (cost.queries === 1 ? ' query' : ' queries');
    const failed = cost.failed > 0 ? ', ' + whole.format(cost.failed) + ' failed' : '';
    return el('div', 'cost ' + kind, el('p', '', el('span', '', name), el('b', '', queries + ', ' + milliseconds(cost.milliseconds) + failed)), el('div', 'track', bar));
  }
  function showOutcome(outcome) {
    const costs = [outcome.without, outcome.with].filter(Boolean);
    const most = Math.max(...costs.map((c) => c.queries));
    $('outcome').replaceChildren(
      el('h3', '', outcome.title),
      ...(outcome.without ? [cost('without a cache', 'without', outcome.without, most)] : []),
      ...(outcome.with ? [cost(outcome.without ? 'with the cache' : 'the next request', 'with', outcome.with, most)] : []),
      ...outcome.notes.map((note) => el('p', 'hint', note)),
    );
  }
  const buttons = [...document.querySelectorAll('[data-action]')];
  let running = false;
  async function act(button) {
    // A disabled button would lose the focus.
    if (running) return;
    running = true;
    for (const other of buttons) other.setAttribute('aria-disabled', 'true');
    button.classList.add('running');
    try {
      showOutcome(await answer(await fetch('actions/' + button.dataset.action, { method: 'POST' })));
    } catch (error) {
      $('outcome').replaceChildren(el('p', 'hint bad', 'The action failed: ' + error.message + '.'));
    }
    running = false;
    for (const other of buttons) other.removeAttribute('aria-disabled');
    button.classList.remove('running');
  }
  for (const button of buttons) button.addEventListener('click', () => act(button));

  // ---- The live page of the caches, as high as its content

  const frame = $('caches');
  let observer = null;
  function fit() {
    if (observer) observer.disconnect();
    const content = frame.contentDocument && frame.contentDocument.body;
    if (!content) return;
    observer = new ResizeObserver(() => {
      frame.style.height = Math.ceil(content.getBoundingClientRect().height) + 'px';
    });
    observer.observe(content);
  }
  frame.addEventListener('load', fit);
  fit();
  poll();
})();
