//! What a server answered, in its own words and without the document around them.

use std::fmt;

/// What to do where nothing better is known.
pub(super) const GOES_ON: &str = "mend the store (space, network, rights) and run the same command again: it goes on";
/// What to do where somebody isn't let in.
pub(super) const RIGHTS: &str =
    "give credentials that are right, of an identity that may read, write, list and delete there";

/// The error of S3 and of those that speak as it does.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    code: String,
    message: String,
}

impl Answer {
    /// Returns what the server said; nothing: it is no document of an error.
    pub(super) fn of(error: &object_store::Error) -> Option<Self> {
        Self::parse(&error.to_string())
    }

    fn parse(said: &str) -> Option<Self> {
        let element = |name: &str| {
            let (_, behind) = said.split_once(&format!("<{name}>"))?;
            Some(behind.split_once(&format!("</{name}>"))?.0.split_whitespace().collect::<Vec<_>>().join(" "))
        };
        Some(Self { code: element("Code")?, message: element("Message").unwrap_or_default() })
    }

    /// What to do.
    pub(super) fn fix(&self) -> &'static str {
        match self.code.as_str() {
            "NoSuchBucket" | "ContainerNotFound" => "make it, or name another one",
            "AccessDenied"
            | "AuthenticationFailed"
            | "AuthorizationFailure"
            | "ExpiredToken"
            | "InvalidAccessKeyId"
            | "InvalidToken"
            | "SignatureDoesNotMatch" => RIGHTS,
            _ => GOES_ON,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Answer {}

/// Whether a server has no writes that depend on what is there.
pub(super) fn knows_no_conditions(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotImplemented { .. }) || error.to_string().contains("501 Not Implemented")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_document_people_get_the_code_the_message_and_what_to_do() {
        let said = "Generic S3 error: Error performing GET http://127.0.0.1:1/nobucket in 4ms - Server returned non-2xx \
            status code: 404 Not Found: <?xml version=\"1.0\"?>\n<Error><Code>NoSuchBucket</Code><Message>The specified\n \
            bucket does not exist</Message><RequestId>18</RequestId></Error>";
        let answer = Answer::parse(said);
        assert_eq!(
            answer.as_ref().map(ToString::to_string).as_deref(),
            Some("NoSuchBucket: The specified bucket does not exist")
        );
        assert_eq!(answer.as_ref().map(Answer::fix), Some("make it, or name another one"));
        assert_eq!(Answer::parse("connection refused"), None);
    }
}
