//! Answers to requests: a whole body, or the live stream. Each has the headers that keep browsers from misusing it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

/// The policy of everything but the page, which has its own.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) body: Content,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Content {
    /// All of it.
    Whole(Bytes),
    /// Frames of the live stream, one at a time. The sender waits until a frame was taken.
    Stream(mpsc::Receiver<Bytes>),
    /// An answer that another thread makes: [`Reply::settled`] waits for it.
    Later(oneshot::Receiver<Reply>),
}

impl Reply {
    /// Returns an answer with a text.
    pub(crate) fn text(content_type: &'static str, text: String) -> Self {
        Self { status: StatusCode::OK, content_type, headers: Vec::new(), body: Content::Whole(text.into()) }
    }

    /// Returns an answer with a JSON document.
    pub(crate) fn json(value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(text) => Self::text("application/json", text + "\n"),
            Err(cause) => Self::error(StatusCode::INTERNAL_SERVER_ERROR, &cause.to_string()),
        }
    }

    /// Returns an error: `{"error": TEXT}`.
    pub(crate) fn error(status: StatusCode, text: &str) -> Self {
        Self { status, ..Self::json(&serde_json::json!({ "error": text })) }
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Returns the answer once it is there.
    pub(crate) async fn settled(self) -> Self {
        match self.body {
            Content::Later(answer) => {
                let text = "the answer could not be made";
                answer.await.unwrap_or_else(|_| Self::error(StatusCode::INTERNAL_SERVER_ERROR, text))
            }
            _ => self,
        }
    }

    /// Returns the answer as hyper sends it. Of an answer to HEAD hyper sends no body.
    pub(crate) fn into_response(self) -> Response<Content> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let fixed = [
            (header::CONTENT_TYPE, self.content_type),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::CACHE_CONTROL, "no-store"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        ];
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
        for (name, value) in self.headers {
            // A value with a line break, which only data could hold, is left out: it cannot become a header of its own.
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Later(_) => Poll::Ready(None),
            Self::Stream(frames) => frames.poll_recv(context).map(|frame| frame.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(_) | Self::Later(_) => SizeHint::new(),
        }
    }
}
