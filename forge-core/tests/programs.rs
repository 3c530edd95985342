//! Programs that chance writes: up to twelve operations on small tensors, whose values and gradients must be those of
//! naive loops over dual numbers. A failing one is cut down to the least that still fails, and printed as a line for
//! `programs/corpus.txt`, whose programs are run each time.
//!
//! `FORGE_PROGRAMS=50000 FORGE_PROGRAMS_FROM=300` tries more than the 300 of every day.

#![allow(clippy::unwrap_used)]

mod program;

use forge_core::rng::Stream;
use program::{Op, Program, Step};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

const MOST_OPERATIONS: usize = 12;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .map_or(default, |v| v.parse().unwrap_or_else(|_| panic!("{name}: `{v}` is no number")))
}

/// Program number `n`.
fn written(n: usize) -> Program {
    let stream = Stream::new(n as u64, "programs");
    let byte = |i: usize| (256.0 * stream.uniform(i)) as u8;
    let steps = 1 + byte(3) as usize * MOST_OPERATIONS / 256;
    Program {
        inputs: [byte(0), byte(1), byte(2)].into(),
        steps: (0..steps).map(|s| Step(std::array::from_fn(|k| byte(4 + 4 * s + k)))).collect(),
    }
}

/// What is wrong with a program; a panic counts.
fn fault(program: &Program) -> Option<String> {
    match catch_unwind(AssertUnwindSafe(|| program.check())) {
        Ok(result) => result.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            Some(text.or(panic.downcast_ref::<&str>().map(|s| s.to_string())).unwrap_or("a panic".into()))
        }
    }
}

/// Takes away steps and inputs and lowers numbers while it still fails.
fn shrunk(mut program: Program, fails: impl Fn(&Program) -> bool) -> Program {
    loop {
        let Some(smaller) = program.smaller().into_iter().find(|p| fails(p)) else { return program };
        program = smaller;
    }
}

fn run(what: &str, program: &Program) {
    if fault(program).is_some() {
        let least = shrunk(program.clone(), |p| fault(p).is_some());
        let reason = fault(&least).unwrap_or_default();
        panic!(
            "{what} fails; the least that does:\n{}\n{reason}\nLine for tests/programs/corpus.txt: {}",
            least.listing(),
            least.line()
        );
    }
}

#[test]
fn programs_of_chance_are_those_of_dual_numbers() {
    let (from, count) = (setting("FORGE_PROGRAMS_FROM", 0), setting("FORGE_PROGRAMS", 300));
    let (mut used, mut longest) = (BTreeMap::new(), 0);
    for n in from..from + count {
        let program = written(n);
        let built = program.built();
        longest = longest.max(built.len());
        built.iter().for_each(|(op, _)| *used.entry(op.name()).or_insert(0) += 1);
        run(&format!("program {n}"), &program);
    }
    // What chance is to try must be tried: each kind of operation several times, and together.
    assert!(longest >= MOST_OPERATIONS - 2, "the longest of {count} programs has {longest} operations");
    for name in Op::NAMES {
        let times = used.get(name).copied().unwrap_or(0);
        assert!(count < 300 || times >= 3, "{name} was used {times} times in {count} programs");
    }
}

#[test]
fn programs_that_failed_once_do_not_again() {
    let lines = include_str!("programs/corpus.txt").lines().filter(|l| !l.starts_with('#') && !l.is_empty());
    let mut count = 0;
    for line in lines {
        let program = Program::read(line).unwrap_or_else(|| panic!("corpus.txt: `{line}` is no program"));
        assert_eq!(program.line(), line, "read and written");
        run(line, &program);
        count += 1;
    }
    assert!(count >= 8, "the corpus shrank to {count} programs");
}

/// The shrinker finds the one step that matters.
#[test]
fn a_failing_program_is_cut_down() {
    let long = (0..300).map(written).max_by_key(|p| p.built().len()).unwrap();
    let name = long.built()[5].0.name();
    let uses = |p: &Program| p.built().iter().any(|(op, _)| op.name() == name);
    let least = shrunk(long, uses);
    assert!(uses(&least));
    assert!(least.smaller().iter().all(|p| !uses(p)), "{}", least.listing());
    assert!(least.steps.len() <= 3, "{}", least.listing());
}
