//! What the request says: its form (`application/x-www-form-urlencoded`) and the client it claims to be.
//!
//! A parameter that comes twice is refused (RFC 6749, section 3.2), one without a value counts as absent. A client
//! authenticates one way only, in the form or by Basic (section 2.3), so that no two readers see two clients.
use crate::secret::Secret;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, CONTENT_TYPE},
};

/// The parameters, each once.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the body of a POST; the error is the `error_description`.
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, &'static str> {
        if !is_form(headers) {
            return Err("the Content-Type must be application/x-www-form-urlencoded");
        }
        let text = std::str::from_utf8(body).map_err(|_| "the body is not a form")?;
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = decode(name).zip(decode(value)).ok_or("the body is not a form")?;
            parameters.push((name, value));
        }
        parameters.sort_unstable();
        if parameters.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err("a parameter is repeated");
        }
        Ok(Self(parameters))
    }

    /// The parameter's value, unless absent or empty.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(own, _)| own == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

/// Whether a query has that parameter, in any encoding.
pub(super) fn is_named_in(query: &str, name: &str) -> bool {
    query.split('&').any(|pair| decode(pair.split('=').next().unwrap_or_default()).as_deref() == Some(name))
}

/// One Content-Type, with or without parameters.
fn is_form(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// `+` is a space, `%XX` a byte; a bad escape or bytes that are not UTF-8 are nothing.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (high, low) = (hex_digit(*rest.first()?)?, hex_digit(*rest.get(1)?)?);
                bytes.push(high * 16 + low);
                rest = &rest[2..];
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Who asks, not proven.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) secret: Secret,
}

/// Why no client can be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClientError {
    /// Two ways or two clients at once; the `error_description`.
    Ambiguous(&'static str),
    /// No client, or one that cannot be read.
    Missing,
}

impl Client {
    /// `client_secret_basic` or `client_secret_post`. An assertion (RFC 7521, section 4.2) is a third way, which is not ours.
    pub(super) fn read(headers: &HeaderMap, form: &Form) -> Result<Self, ClientError> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let asserted = form.value("client_assertion").or(form.value("client_assertion_type")).is_some();
        if asserted && (headers.contains_key(AUTHORIZATION) || form.value("client_secret").is_some()) {
            return Err(ClientError::Ambiguous("the client authenticates in two ways"));
        }
        let Some(value) = values.next() else { return posted(form).ok_or(ClientError::Missing) };
        if values.next().is_some() {
            return Err(ClientError::Ambiguous("several Authorization headers"));
        }
        if form.value("client_secret").is_some() {
            return Err(ClientError::Ambiguous("the client authenticates in two ways"));
        }
        let client = basic(value).ok_or(ClientError::Missing)?;
        if form.value("client_id").is_some_and(|id| id != client.id) {
            return Err(ClientError::Ambiguous("client_id is not the client that authenticates"));
        }
        Ok(client)
    }
}

fn posted(form: &Form) -> Option<Client> {
    Some(Client { id: form.value("client_id")?.to_owned(), secret: Secret::new(form.value("client_secret")?.to_owned()) })
}

/// RFC 7617, with both parts form-encoded (RFC 6749, section 2.3.1).
fn basic(value: &HeaderValue) -> Option<Client> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim_start_matches(' ')).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some(Client { id: decode(id)?, secret: Secret::new(decode(secret)?) })
}

#[cfg(test)]
mod tests;
