//! The switch between real agents in virtual time; only sockets and media are played.

mod calls;
mod changes;
mod chaos;
mod codes;
mod ends;
mod forking;
mod groups;
mod hold;
mod long;
mod network;
mod reconnection;
mod recording;
mod records;
mod registration;
mod replace;
mod rooms;
mod services;
mod storm;
mod transfers;
mod video;
mod voicemail;
