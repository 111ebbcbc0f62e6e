//! Response bodies: whole, or the lines of a watch as they come.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::watch::WatchStream;

type NextLine = Pin<Box<dyn Future<Output = (Box<WatchStream>, Option<Bytes>)> + Send>>;

/// A response body.
pub(crate) enum Body {
    Whole(Full<Bytes>),
    Watch(NextLine),
    Over,
}

impl Body {
    /// A body that is there.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }

    /// The lines of a watch.
    pub(crate) fn watch(stream: Box<WatchStream>) -> Self {
        Self::Watch(next(stream))
    }
}

fn next(mut stream: Box<WatchStream>) -> NextLine {
    Box::pin(async move {
        let line = stream.next_line().await;
        (stream, line)
    })
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Over => Poll::Ready(None),
            Self::Whole(whole) => Pin::new(whole).poll_frame(context),
            Self::Watch(line) => match line.as_mut().poll(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready((stream, Some(line))) => {
                    *self = Self::Watch(next(stream));
                    Poll::Ready(Some(Ok(Frame::data(line))))
                }
                Poll::Ready((_, None)) => {
                    *self = Self::Over;
                    Poll::Ready(None)
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Over => true,
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Watch(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Watch(_) | Self::Over => SizeHint::default(),
        }
    }
}
