//! `terraform show -json` of a state or of a plan (or `tofu`'s), and the state file itself.
//!
//! A plan describes what does not exist yet: ids, names and addresses that Azure gives are unknown. Ids follow from
//! the group, the type and the name; what refers to such an id is followed through the configuration's
//! references. What cannot be known gets a placeholder (see `complete::declared`), and is said to be one.
//!
//! Source: Terraform's "JSON Output Format", version 1.x; the attributes are those of the azurerm provider's
//! documentation, versions 3 to 5, and of azapi's.

mod convert;
mod instance;
mod reader;
mod reference;

use azure::Json;
use serde_json::Value;

use crate::{Error, SourceFinding, draft::Draft};

/// What kind of Terraform's documents this is, for people; `None` if it is none.
pub(crate) fn recognise(value: &Value) -> Option<&'static str> {
    let has = |name: &str| value.get(name).is_some();
    if has("format_version") && (has("planned_values") || has("resource_changes")) {
        Some("Terraform plan")
    } else if has("format_version") && (has("values") || has("terraform_version")) {
        Some("Terraform state")
    } else if has("lineage") && has("resources") && has("terraform_version") {
        Some("Terraform state file")
    } else {
        None
    }
}

/// Takes in everything that `document`, from `place`, describes.
pub(crate) fn read(draft: &mut Draft, place: &str, document: &Value) -> Result<(), Error> {
    let shape = |reason: String| Error::Shape { name: place.to_owned(), reason };
    if let Some(version) = Json::new(document).get("format_version").text()
        && !["0.", "1."].iter().any(|major| version.starts_with(major))
    {
        return Err(shape(format!("Terraform's JSON format {version} is not known here; 1.x is")));
    }
    if document["errored"] == true {
        let message = "the plan failed half way (`errored`): what comes after the failure is missing";
        draft.find(SourceFinding::warning("PlanErrored", message).at(place));
    }
    let world = instance::World::new(document);
    if world.is_empty() {
        let message = "it has no resources";
        draft.find(SourceFinding::note("NoResources", message).at(place));
        return Ok(());
    }
    convert::all(draft, &world);
    Ok(())
}
