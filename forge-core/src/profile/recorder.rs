//! The tree of stages, layers and operations that a profiler fills.
//!
//! Time is cut at marks: whatever passes between two marks belongs to one node, so that the times of all nodes can never
//! add up to more than has passed.

use super::{Work, memory};
use crate::history::{Cost, Profile, ProfileRow};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Stage,
    Layer,
    Operation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

struct Node {
    kind: Kind,
    name: String,
    /// What an operation does in the same pass over memory; empty of others.
    fused: &'static str,
    parent: usize,
    children: Vec<usize>,
    forward: Cost,
    backward: Cost,
    allocated: u64,
    peak: u64,
}

/// A recorded operation, for its derivative.
struct Entry {
    node: usize,
    backward: Work,
}

/// An operation under way.
#[derive(Clone, Copy)]
struct Call {
    name: &'static str,
    fused: &'static str,
    /// Elements that it computes, where its results do not tell.
    computed: Option<f64>,
}

pub struct Recorder {
    /// The first is the whole.
    nodes: Vec<Node>,
    /// The stage or layer that runs.
    at: usize,
    /// Those under way, the outermost first. What runs inside the first is part of it.
    calls: Vec<Call>,
    entries: Vec<Entry>,
    /// Number of the first entry. Numbers of an earlier recorder, which a tape may still hold, are below it.
    first_entry: u32,
    began: Instant,
    mark: Instant,
}

/// Entries are numbered on from recorder to recorder, from 1: 0 is an operation that nobody recorded.
static NEXT_ENTRY: AtomicU32 = AtomicU32::new(1);

/// The name of a derivative's call, which no operation has: whatever it runs is part of it.
const BACKWARD: Call = Call { name: "", fused: "", computed: None };

impl Recorder {
    pub fn new() -> Self {
        let now = Instant::now();
        let whole = Node::new(Kind::Stage, "", "", 0);
        Recorder {
            nodes: vec![whole],
            at: 0,
            calls: Vec::new(),
            entries: Vec::new(),
            first_entry: NEXT_ENTRY.load(Relaxed),
            began: now,
            mark: now,
        }
    }

    /// Gives the time since the last mark to a node.
    fn spend(&mut self, node: usize, direction: Direction, work: Option<Work>) {
        let now = Instant::now();
        let seconds = (now - self.mark).as_secs_f64();
        self.mark = now;
        let (allocated, peak) = memory::since_last();
        let Some(node) = self.nodes.get_mut(node) else { return };
        let cost = if direction == Direction::Forward { &mut node.forward } else { &mut node.backward };
        let Work { flops, bytes } = work.unwrap_or_default();
        *cost += Cost { calls: u64::from(work.is_some()), seconds, flops, bytes };
        node.allocated += allocated;
        node.peak = node.peak.max(peak);
    }

    /// The time since the last mark goes to the stage or layer that runs.
    fn between(&mut self) {
        self.spend(self.at, Direction::Forward, None);
    }

    fn child(&mut self, kind: Kind, name: &str, fused: &'static str) -> usize {
        let children = self.nodes.get(self.at).map_or(&[][..], |node| &node.children);
        let known = children.iter().copied().find(|&child| {
            self.nodes
                .get(child)
                .is_some_and(|node| node.kind == kind && node.name == name && node.fused == fused)
        });
        known.unwrap_or_else(|| {
            let new = self.nodes.len();
            self.nodes.push(Node::new(kind, name, fused, self.at));
            if let Some(node) = self.nodes.get_mut(self.at) {
                node.children.push(new);
            }
            new
        })
    }

    /// Goes into a stage or layer. Inside an operation it is part of that.
    pub fn enter(&mut self, kind: Kind, name: &str) -> bool {
        // A stage inside itself is itself, as clipping by value is where gradients are scaled.
        let own = self.nodes.get(self.at).is_some_and(|node| node.kind == kind && node.name == name);
        if !self.calls.is_empty() || (own && kind == Kind::Stage) {
            return false;
        }
        self.between();
        self.at = self.child(kind, name, "");
        if let Some(node) = self.nodes.get_mut(self.at) {
            node.forward.calls += 1;
        }
        true
    }

    /// Leaves the stage or layer that was entered last.
    pub fn leave(&mut self) {
        self.between();
        self.at = self.nodes.get(self.at).map_or(0, |node| node.parent);
    }

    /// Begins an operation that may run others.
    pub fn begin(&mut self, name: &'static str, fused: &'static str) {
        if self.calls.is_empty() {
            self.between();
        }
        self.calls.push(Call { name, fused, computed: None });
    }

    /// The operation under way computes so many elements.
    pub fn computes(&mut self, elements: f64) {
        if let [call] = &mut self.calls[..] {
            call.computed = Some(elements);
        }
    }

    /// What [`Recorder::computes`] said of the operation under way.
    pub fn computed(&self) -> Option<f64> {
        self.calls.first().and_then(|call| call.computed)
    }

    /// Ends what [`Recorder::begin`] began.
    pub fn end(&mut self) {
        self.calls.pop();
    }

    /// Whether an operation that reports its results is one of its own, not part of another.
    pub fn counts(&self, name: &'static str) -> bool {
        match self.calls[..] {
            [] => true,
            [call] => call.name == name,
            _ => false,
        }
    }

    /// Counts an operation that has its results, and gives the number of its derivative.
    pub fn done(&mut self, name: &'static str, forward: Work, backward: Work) -> u32 {
        let fused = self.calls.first().map_or("", |call| call.fused);
        let node = self.child(Kind::Operation, name, fused);
        self.spend(node, Direction::Forward, Some(forward));
        let same = |entry: &Entry| entry.node == node && entry.backward == backward;
        let known = self.entries.iter().position(same);
        let entry = known.unwrap_or_else(|| {
            self.entries.push(Entry { node, backward });
            NEXT_ENTRY.fetch_max(self.first_entry + self.entries.len() as u32, Relaxed);
            self.entries.len() - 1
        });
        self.first_entry + entry as u32
    }

    /// Begins the derivatives of a tape.
    pub fn begin_backward(&mut self) {
        self.between();
        self.calls.push(BACKWARD);
    }

    /// Counts a derivative that has run.
    pub fn derived(&mut self, entry: u32) {
        let entry = entry.checked_sub(self.first_entry).and_then(|i| self.entries.get(i as usize));
        match entry.map(|entry| (entry.node, entry.backward)) {
            Some((node, work)) => self.spend(node, Direction::Backward, Some(work)),
            None => self.between(),
        }
    }

    /// What was recorded since the last time, or the beginning; the next begins now.
    pub fn take(&mut self) -> Profile {
        if self.calls.is_empty() {
            self.between();
        }
        let mut profile = Profile { seconds: (self.mark - self.began).as_secs_f64(), ..Profile::default() };
        self.began = self.mark;
        self.rows(0, &mut (String::new(), String::new()), &mut profile);
        for node in &mut self.nodes {
            (node.forward, node.backward) = Default::default();
            (node.allocated, node.peak) = (0, 0);
        }
        profile
    }

    /// The rows of a node and all below it, whose stage and layer are given.
    fn rows(&self, number: usize, path: &mut (String, String), profile: &mut Profile) {
        let Some(node) = self.nodes.get(number) else { return };
        let before = (path.0.len(), path.1.len());
        match node.kind {
            Kind::Stage => join(&mut path.0, '/', &node.name),
            Kind::Layer => join(&mut path.1, '.', &node.name),
            Kind::Operation => {}
        }
        profile.allocated_bytes += node.allocated;
        profile.peak_bytes = profile.peak_bytes.max(node.peak);
        let ran = |cost: Cost| cost.calls > 0 || cost.seconds > 0.0;
        if number > 0 && (ran(node.forward) || ran(node.backward)) {
            let operation = match (node.kind, node.fused) {
                (Kind::Operation, "") => node.name.clone(),
                (Kind::Operation, fused) => format!("{} + {fused}", node.name),
                _ => String::new(),
            };
            profile.rows.push(ProfileRow {
                stage: path.0.clone(),
                layer: path.1.clone(),
                operation,
                forward: node.forward,
                backward: node.backward,
                allocated_bytes: node.allocated,
                peak_bytes: node.peak,
            });
        }
        for &child in &node.children {
            self.rows(child, path, profile);
        }
        path.0.truncate(before.0);
        path.1.truncate(before.1);
    }
}

fn join(path: &mut String, separator: char, name: &str) {
    if !path.is_empty() {
        path.push(separator);
    }
    path.push_str(name);
}

impl Node {
    fn new(kind: Kind, name: &str, fused: &'static str, parent: usize) -> Self {
        Node {
            kind,
            name: name.to_owned(),
            fused,
            parent,
            children: Vec::new(),
            forward: Cost::default(),
            backward: Cost::default(),
            allocated: 0,
            peak: 0,
        }
    }
}
