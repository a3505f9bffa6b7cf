//! The slow tests: real programs, end to end.

mod accounts;
mod budgets;
mod claude_hand;
mod claude_line;
mod commands;
mod crash;
mod demo;
mod doctor;
mod endings;
#[path = "../all/hands_bench.rs"]
mod hands_bench;
mod home;
mod init;
mod line;
mod messages_api;
mod papers;
mod pause;
mod people;
mod projects;
mod reload;
mod requests;
mod rig;
mod webhook;
