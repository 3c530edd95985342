//! The learner: trains any model on any dataset with any optimizer, and knows no technology. It tells what happens to
//! callbacks, which may change its course, and to listeners, which may not even delay it.

mod callback;
mod checkpoint;
mod early_stopping;
mod epoch;
mod learner;
mod listener;
mod plateau;
mod snapshot;

pub use callback::{Callback, CallbackState, Flow, Goal, State};
pub use checkpoint::ModelCheckpoint;
pub use early_stopping::EarlyStopping;
pub use epoch::predict;
pub use learner::Learner;
pub use listener::{Listener, Outlet};
pub use plateau::ReduceOnPlateau;
pub use snapshot::Snapshot;
