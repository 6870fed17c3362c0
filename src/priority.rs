//! Priority: work that may take its time steps back behind what somebody waits for.

/// How far a thread steps back: its `nice` value, which on Linux each thread has for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepBack {
    /// Nobody waits for it: it gets a seventieth of what an ordinary thread gets, and all that
    /// is idle.
    Far,
    /// One client waits for tens of milliseconds of work, many others for microseconds: it gets
    /// a third of what an ordinary thread gets.
    Little,
}

/// Steps back for the rest of this thread's life, which has no work but this.
pub fn step_back(how_far: StepBack) {
    let nice = match how_far {
        StepBack::Far => 19,
        StepBack::Little => 5,
    };
    let this = rustix::thread::gettid();
    // Where it is not allowed, the work only takes more from the others.
    let _ = rustix::process::setpriority_process(Some(this), nice);
}
