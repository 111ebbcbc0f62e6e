//! `Microsoft.Compute`: virtual machines, their disks, and the images they are said to run.
//!
//! A machine is a place in a network: it holds interfaces and is on or off. Nothing runs in it.

pub mod disks;
pub mod images;
mod instance_view;
pub mod sizes;
mod storage;
pub mod virtual_machines;

use azure::ArmError;

/// A value of a property that the resource provider does not accept.
fn invalid_parameter(target: &str, message: impl Into<String>) -> ArmError {
    ArmError::bad_request("InvalidParameter", message).with_target(target)
}

/// A change of a property that is fixed once the machine is there.
fn fixed(property: &str) -> ArmError {
    ArmError::conflict("PropertyChangeNotAllowed", format!("Changing property '{property}' is not allowed."))
        .with_target(property)
}
