//! Defines jobs, answers, engines and model manifests.
//!
//! A [`Job`] is content-addressed: equal bytes, equal [`Answer`], on any machine, in any batch, with any number of
//! threads. The chain knows models by the root of their canonical file; a [`ModelManifest`] says the shape, and the
//! [`Cost`] formula turns a shape into gas-relevant units without ever measuring anything.

mod engine;
mod job;
pub mod limits;
mod manifest;
mod painter;
mod similarity;
mod special;

pub use engine::{Engine, EngineError, FixedEngine, JobClass, Poll};
pub use job::{Answer, AnswerError, Drawing, Generated, Grammar, Job, JobId, JobKind, Options, Stop};
pub use manifest::{Cost, Family, ModelManifest, NUMERICS_VERSION, RopeScaling, SpecialTokens};
pub use painter::{LATENT_SCALE, PAINTER_STAGES, PainterShape};
pub use similarity::similarity_bps;
pub use special::{PLAIN_MARK, SpecialTexts, plain_for_any};
