//! Which patterns can be written.

use super::{Pattern, PatternError};

#[track_caller]
fn refuse(error: &PatternError, texts: &[&str]) {
    for text in texts {
        assert_eq!(Pattern::parse(text).as_ref(), Err(error), "{text:?}");
    }
}

#[test]
fn a_pattern_begins_with_a_slash() {
    refuse(&PatternError::NotAbsolute, &["", "a", "a/b", "{id}", "*", "{*rest}"]);
}

#[test]
fn empty_segments_are_refused() {
    refuse(&PatternError::EmptySegment, &["//", "//a", "/a//b", "/a//"]);
}

#[test]
fn a_trailing_slash_is_refused() {
    refuse(&PatternError::TrailingSlash, &["/a/", "/a/{id}/", "/{*rest}/"]);
}

#[test]
fn a_name_is_an_identifier() {
    refuse(
        &PatternError::BadName,
        &["/{}", "/{*}", "/{ }", "/{1}", "/{a-b}", "/{a.b}", "/{*a b}", "/{**a}", "/{a*}", "/{\u{e9}}"],
    );
}

#[test]
fn a_name_stands_once() {
    refuse(&PatternError::RepeatedName, &["/{id}/{id}", "/a/{id}/b/{id}", "/{id}/{*id}"]);
}

#[test]
fn a_parameter_is_a_whole_segment() {
    refuse(
        &PatternError::PartOfSegment,
        &["/a{id}", "/{id}a", "/{a}{b}", "/{id}.json", "/{id", "/id}", "/{{id}}", "/{", "/}", "/}{"],
    );
}

#[test]
fn the_rest_is_the_last_segment() {
    refuse(&PatternError::RestNotLast, &["/{*rest}/a", "/a/{*rest}/{id}", "/{*a}/{*b}"]);
}

#[test]
fn a_literal_is_in_canonical_form() {
    refuse(&PatternError::BadCharacter, &["/a b", "/\u{e9}", "/a?b", "/a#b", "/a\\b", "/%", "/%zz", "/a%2fb", "/%00", "/%c0%ae"]);
    refuse(&PatternError::BadCharacter, &["/%61", "/%c3%a9", "/a%2eb", "/a|b", "/\0"]);
}

#[test]
fn dot_segments_are_refused() {
    refuse(&PatternError::DotSegment, &["/.", "/..", "/a/../b", "/..;x", "/%2e", "/%252e"]);
}

#[test]
fn a_pattern_is_shown_as_written() {
    for text in ["/", "/a", "/incidents/{id}", "/{*rest}", "/a/{b}/c/{_d1}/{*e}", "/a.b/.c", "/caf%C3%A9", "/a;b", "/a:b@c", "/*"]
    {
        assert_eq!(Pattern::parse(text).as_ref().map(Pattern::as_str), Ok(text));
    }
}
