//! Schedules inference jobs over loaded models.
