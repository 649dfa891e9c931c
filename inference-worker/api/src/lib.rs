//! Defines jobs, answers, engines and model manifests.
