//! The fast tests, in one binary: nothing beyond loopback, no real agent.

mod config_errors;
mod config_files;
mod floors;
mod forge_contract;
mod forge_recordings;
mod forge_script;
mod forge_shapes;
mod forge_site;
mod forge_transport;
mod formulas;
mod gateway;
mod git_bundle_attacks;
mod git_door;
mod git_repos;
mod hands_bench;
mod hands_command;
mod hands_stream;
mod localforge;
mod metrics;
mod plan_properties;
mod plan_world;
mod readme;
mod sandbox;
mod secret_scan;
mod text_cleaning;
mod workspace;
