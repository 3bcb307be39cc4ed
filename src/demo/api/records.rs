//! The sample API's records, and what a client may write into them. Fields that a type does not name are ignored.

#[cfg(test)]
mod tests;

use super::{
    fields::{Priority, Text, Timestamp},
    page::parse_digits,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum IncidentState {
    New,
    InProgress,
    OnHold,
    Resolved,
    Closed,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChangeKind {
    Standard,
    Normal,
    Emergency,
}

#[derive(Debug, Serialize)]
pub(super) struct Incident {
    pub number: String,
    pub short_description: Text<160>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Text<4000>>,
    pub state: IncidentState,
    pub priority: Priority,
    pub assignment_group: Text<80>,
    pub opened_by: String,
    pub opened_at: Timestamp,
    pub updated_at: Timestamp,
    /// Counts the updates.
    pub version: u64,
}

/// The body of POST `/incidents`.
#[derive(Debug, Deserialize)]
pub(super) struct NewIncident {
    short_description: Text<160>,
    description: Option<Text<4000>>,
    priority: Option<Priority>,
    assignment_group: Option<Text<80>>,
}

/// The body of PATCH `/incidents/{id}`: what is absent stays.
#[derive(Debug, Deserialize)]
pub(super) struct IncidentPatch {
    short_description: Option<Text<160>>,
    description: Option<Text<4000>>,
    state: Option<IncidentState>,
    priority: Option<Priority>,
    assignment_group: Option<Text<80>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Change {
    pub number: String,
    pub short_description: Text<160>,
    #[serde(rename = "type")]
    pub kind: ChangeKind,
    pub state: &'static str,
    pub risk: &'static str,
    pub assignment_group: Text<80>,
    pub opened_by: String,
    pub opened_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned_start: Option<Timestamp>,
}

/// The body of POST `/changes`.
#[derive(Debug, Deserialize)]
pub(super) struct NewChange {
    short_description: Text<160>,
    #[serde(rename = "type")]
    kind: Option<ChangeKind>,
    assignment_group: Option<Text<80>>,
}

/// A configuration item.
#[derive(Debug, Serialize)]
pub(super) struct Ci {
    pub id: String,
    pub name: String,
    pub class: &'static str,
    pub environment: &'static str,
    pub status: &'static str,
    pub support_group: &'static str,
    pub updated_at: Timestamp,
}

#[derive(Debug, Serialize)]
pub(super) struct Article {
    pub number: String,
    pub title: String,
    pub category: &'static str,
    pub author: &'static str,
    pub views: u64,
    pub published_at: Timestamp,
}

impl NewIncident {
    pub(super) fn into_incident(self, place: usize, opened_by: String, now: Timestamp) -> Incident {
        Incident {
            number: Incident::number(place),
            short_description: self.short_description,
            description: self.description,
            state: IncidentState::New,
            priority: self.priority.unwrap_or(Priority::LOW),
            assignment_group: self.assignment_group.unwrap_or_else(|| Text::fixed("Service Desk")),
            opened_by,
            opened_at: now,
            updated_at: now,
            version: 1,
        }
    }
}

impl Incident {
    const FIRST_NUMBER: usize = 1001;

    pub(super) fn number(place: usize) -> String {
        format!("INC{:07}", place.saturating_add(Self::FIRST_NUMBER))
    }

    /// The place of the incident with that number. Only the spelling that [`Self::number`] gives counts.
    pub(super) fn place(number: &str) -> Option<usize> {
        let place = parse_digits::<usize>(number.strip_prefix("INC")?)?.checked_sub(Self::FIRST_NUMBER)?;
        (Self::number(place) == number).then_some(place)
    }

    /// A strong entity tag: the number and the version name one representation.
    pub(super) fn etag(&self) -> String {
        format!("\"{}-{}\"", self.number, self.version)
    }

    pub(super) fn apply(&mut self, patch: IncidentPatch, now: Timestamp) {
        self.short_description = patch.short_description.unwrap_or_else(|| self.short_description.clone());
        self.description = patch.description.or_else(|| self.description.take());
        self.state = patch.state.unwrap_or(self.state);
        self.priority = patch.priority.unwrap_or(self.priority);
        self.assignment_group = patch.assignment_group.unwrap_or_else(|| self.assignment_group.clone());
        self.updated_at = now;
        self.version += 1;
    }
}

impl NewChange {
    pub(super) fn into_change(self, place: usize, opened_by: String, now: Timestamp) -> Change {
        Change {
            number: Change::number(place),
            short_description: self.short_description,
            kind: self.kind.unwrap_or(ChangeKind::Normal),
            state: "new",
            risk: "moderate",
            assignment_group: self.assignment_group.unwrap_or_else(|| Text::fixed("Change Management")),
            opened_by,
            opened_at: now,
            planned_start: None,
        }
    }
}

impl Change {
    pub(super) fn number(place: usize) -> String {
        format!("CHG{:07}", place.saturating_add(30_001))
    }
}
