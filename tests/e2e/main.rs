//! The slow tests: real programs, end to end.

mod accounts;
mod agents;
mod aside;
mod base_formulas;
mod branches;
mod budgets;
mod claude_hand;
mod claude_line;
mod commands;
mod crash;
mod demo;
mod doctor;
mod endings;
mod epic;
mod faulty;
mod filing;
mod formula;
mod gates;
#[path = "../all/hands_bench.rs"]
mod hands_bench;
mod home;
mod init;
mod latency;
mod line;
mod messages_api;
mod notify;
mod ops;
#[cfg(feature = "otlp")]
mod otlp;
mod outage;
mod papers;
mod pause;
mod people;
mod projects;
mod reload;
mod reproduce;
mod requests;
mod retention;
mod review;
mod revise;
mod rig;
mod roles;
mod schedule;
mod steps;
mod switching;
mod webhook;
