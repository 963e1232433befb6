//! From a line to its message: the parts that all messages share, and those that the line itself gives.

use std::sync::Arc;

use mainstem_client::Message;

use crate::arguments::Produce;
use crate::failure::Failure;
use crate::input::Selector;

/// What every message of one run looks like.
pub(super) struct Shape {
    topic: Arc<str>,
    tag: Option<String>,
    properties: Vec<(String, String)>,
    key_from: Option<Selector>,
    ordered_by: Option<Selector>,
}

impl Shape {
    pub(super) fn new(arguments: &Produce) -> Shape {
        Shape {
            topic: arguments.topic.as_str().into(),
            tag: arguments.tag.clone(),
            properties: arguments.properties.clone(),
            key_from: arguments.key_from.clone(),
            ordered_by: arguments.ordered_by.clone(),
        }
    }

    /// The message of a line, and the value that its order depends on.
    pub(super) fn message(
        &self,
        number: u64,
        line: Vec<u8>,
    ) -> Result<(Message, Option<String>), Failure> {
        let key = self.value(self.key_from.as_ref(), number, &line)?;
        let order = self.value(self.ordered_by.as_ref(), number, &line)?;
        let mut builder = Message::builder(Arc::clone(&self.topic)).body(line);
        if let Some(tag) = &self.tag {
            builder = builder.tag(tag);
        }
        if let Some(key) = &key {
            builder = builder.key(key);
        }
        for (name, value) in &self.properties {
            builder = builder.property(name, value);
        }
        let message = builder
            .build()
            .map_err(|error| Failure::failed(format!("line {number}: {error}")))?;
        Ok((message, order))
    }

    fn value(
        &self,
        selector: Option<&Selector>,
        number: u64,
        line: &[u8],
    ) -> Result<Option<String>, Failure> {
        let Some(selector) = selector else {
            return Ok(None);
        };
        match selector.select(line) {
            Some(value) => Ok(Some(value)),
            None => Err(Failure::failed(format!(
                "line {number} has no {selector}; every line needs one (--key-from, --ordered-by)"
            ))),
        }
    }
}
