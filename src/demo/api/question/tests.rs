//! How the sample API answers questions.

use super::super::{fields::parse_object, seed};
use super::*;

fn reply_to(question: &str) -> Reply {
    let articles = seed::articles();
    let question: Question = parse_object(json!({ "query": question }).to_string().as_bytes()).expect("a question");
    question.reply(&articles.iter().collect::<Vec<_>>())
}

#[test]
fn a_question_without_text_is_refused() {
    for body in ["{}", "{\"query\":\"\"}", "{\"query\":[\"a\"]}"] {
        assert!(parse_object::<Question>(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn the_answer_names_the_article_that_fits_best() {
    assert_eq!(reply_to("How do I connect to the VPN on macOS?").sources, ["KB0010011"]);
    assert_eq!(reply_to("I have forgotten my password").sources, ["KB0010002"]);
}

#[test]
fn a_question_about_nothing_known_is_answered_too() {
    assert_eq!(reply_to("?").sources, ["KB0010001"]);
}

#[test]
fn without_articles_there_is_still_an_answer() {
    let question: Question = parse_object(b"{\"prompt\":\"a\"}").expect("a question");
    assert!(!question.reply(&[]).answer.is_empty());
}

#[test]
fn the_word_groups_are_at_most_ten_and_the_whole_text() {
    let answer = reply_to("VPN").answer;
    let groups: Vec<String> = word_groups(&answer).collect();
    assert!((8..=TOKENS).contains(&groups.len()), "{}", groups.len());
    assert_eq!(groups.concat(), answer);
    assert_eq!(word_groups("").count(), 0);
}
