//! The embedded forge through its own door: what a client, git, a webhook's receiver and a browser meet.

mod cut;
mod issues;
mod pages;
mod persistence;
mod pulls;
mod rights;
mod site;
mod webhooks;
