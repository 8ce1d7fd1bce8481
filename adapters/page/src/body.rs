//! The bodies of responses.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use event_listener::EventListener;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::inner::Inner;

/// The body of a response: a text, or the stream of events.
///
/// It implements `http_body::Body`, which hyper, axum, warp, tonic and other frameworks send as it
/// is. The stream of events ends when [`Page::close`](crate::Page::close) is called.
pub struct Body(Kind);

enum Kind {
    Text(Option<Bytes>),
    Events(Box<Events>),
}

/// A reader of the stream of events. It queues nothing: it reads from the history of the page.
struct Events {
    inner: Arc<Inner>,
    greeting: Option<Bytes>,
    /// The number of the sample that was sent last.
    sent: u64,
    /// Whether the reader has received the history. From then on it skips what it is too slow for.
    live: bool,
    listener: Option<EventListener>,
}

impl Body {
    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        Self(Kind::Text(
            Some(text.into()).filter(|text| !text.is_empty()),
        ))
    }

    /// The stream of events after sample `sent`, or `None` if there are too many readers.
    pub(crate) fn events(inner: &Arc<Inner>, sent: u64) -> Option<Self> {
        inner.add_reader().then(|| {
            Self(Kind::Events(Box::new(Events {
                inner: Arc::clone(inner),
                greeting: Some(inner.hello()),
                sent,
                live: false,
                listener: None,
            })))
        })
    }
}

impl Events {
    fn next(&mut self) -> Option<Bytes> {
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting);
        }
        let history = self.inner.history();
        let next = if self.live {
            history.newest_after(self.sent)
        } else {
            history.first_after(self.sent)
        };
        let (number, event) = next?;
        self.sent = number;
        self.live |= number == history.newest();
        Some(event)
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if self.inner.is_closed() {
                return Poll::Ready(None);
            }
            if let Some(event) = self.next() {
                self.listener = None;
                return Poll::Ready(Some(event));
            }
            match &mut self.listener {
                // Listens before it looks once more: a sample between the two would be missed.
                None => self.listener = Some(self.inner.listen()),
                Some(listener) => {
                    if Pin::new(listener).poll(context).is_pending() {
                        return Poll::Pending;
                    }
                    self.listener = None;
                }
            }
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.inner.remove_reader();
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut self.get_mut().0 {
            Kind::Text(text) => Poll::Ready(text.take()),
            Kind::Events(events) => events.poll_next(context),
        };
        data.map(|data| data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Kind::Text(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Events(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Text(text) => f.debug_tuple("Text").field(text).finish(),
            Kind::Events(events) => f.debug_tuple("Events").field(&events.sent).finish(),
        }
    }
}
