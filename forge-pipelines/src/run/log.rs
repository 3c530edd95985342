use super::append::{AppendFile, read_json_lines};
use super::{EventLine, RunError, RunEvent};
use forge_core::history::{EpochRecord, MetricPoint};
use jiff::Timestamp;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Batch events closer than this to the one before are dropped: four a second are plenty to watch.
const BATCH_INTERVAL: u64 = 250;

/// Counts time since a run began; unlike the time of day it never jumps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    origin: Instant,
    /// What had passed when this process took the run over.
    before: Duration,
}

impl Clock {
    pub fn starting_now() -> Self {
        Clock { origin: Instant::now(), before: Duration::ZERO }
    }

    /// For a run that began in another process. If the time of day was set back since, time stands still here.
    pub fn started(at: Timestamp) -> Self {
        let before = Duration::try_from(Timestamp::now().duration_since(at)).unwrap_or_default();
        Clock { origin: Instant::now(), before }
    }

    pub fn elapsed(&self) -> Duration {
        self.before + self.origin.elapsed()
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

type Subscriber = Box<dyn Fn(&EventLine) + Send + Sync>;

/// The writer of `events.jsonl`, shared by all threads of a run. Everything but batches also goes to `log.txt` in
/// plain words.
pub struct EventLog {
    clock: Clock,
    inner: Mutex<Inner>,
}

struct Inner {
    events: AppendFile,
    text: AppendFile,
    next: u64,
    /// Time of the line before: time does not go back within a file.
    latest: u64,
    last_batch: Option<u64>,
    subscribers: Vec<Subscriber>,
}

impl EventLog {
    /// Opens the log of a run directory. Numbering goes on where an earlier process stopped; its torn last line,
    /// if there is one, is cut off.
    pub(super) fn open(folder: &Path, clock: Clock) -> Result<Self, RunError> {
        let path = folder.join("events.jsonl");
        let events = AppendFile::open(path.clone())?;
        let (next, latest) =
            read_json_lines::<EventLine>(&path)?.last().map_or((0, 0), |line| (line.seq + 1, line.t));
        let text = AppendFile::open(folder.join("log.txt"))?;
        let inner = Inner { events, text, next, latest, last_batch: None, subscribers: Vec::new() };
        Ok(EventLog { clock, inner: Mutex::new(inner) })
    }

    /// Writes an event and shows it to all subscribers. The line is in the hands of the operating system when this
    /// returns, so it outlives the process, though not a power cut. Batches come through four times a second.
    ///
    /// # Errors
    /// [`RunError::Io`], for instance when the disk is full; subscribers see the event all the same.
    pub fn emit(&self, event: RunEvent) -> Result<(), RunError> {
        self.lock().emit(event, self.clock.millis())
    }

    /// Calls `subscriber` with every event from now on, in order, one at a time. It runs inside [`EventLog::emit`]
    /// and must be quick; calling `emit` from it would wait for itself forever.
    pub fn subscribe(&self, subscriber: Box<dyn Fn(&EventLine) + Send + Sync>) {
        self.lock().subscribers.push(subscriber);
    }

    /// Forces everything to disk.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn sync(&self) -> Result<(), RunError> {
        let inner = self.lock();
        inner.events.sync().and(inner.text.sync())
    }

    /// A subscriber that panicked leaves the files sound: a line is whole or taken back.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn emit(&mut self, event: RunEvent, now: u64) -> Result<(), RunError> {
        let now = now.max(self.latest);
        let is_batch = matches!(event, RunEvent::Batch { .. });
        if is_batch {
            if self.last_batch.is_some_and(|last| now < last + BATCH_INTERVAL) {
                return Ok(());
            }
            self.last_batch = Some(now);
        }
        let line = EventLine { v: 1, seq: self.next, t: now, event };
        let written = self.write(&line, is_batch);
        self.subscribers.iter().for_each(|subscriber| subscriber(&line));
        written
    }

    fn write(&mut self, line: &EventLine, is_batch: bool) -> Result<(), RunError> {
        let json = serde_json::to_string(line).map_err(|e| RunError::json("events.jsonl", &e))?;
        self.events.append(&json)?;
        self.next += 1;
        self.latest = line.t;
        if is_batch {
            return Ok(());
        }
        self.text.append(&format!("[{:>9.3} s] {}", line.t as f64 / 1000.0, line.event))
    }
}

/// The writer of `metrics.jsonl`, shared by all threads of a run.
pub struct MetricLog {
    clock: Clock,
    file: Mutex<AppendFile>,
}

impl MetricLog {
    pub(super) fn open(folder: &Path, clock: Clock) -> Result<Self, RunError> {
        Ok(MetricLog { clock, file: Mutex::new(AppendFile::open(folder.join("metrics.jsonl"))?) })
    }

    /// Writes one point. Its time is the caller's; [`MetricLog::epoch`] fills it in.
    ///
    /// # Errors
    /// [`RunError::Io`], for instance when the disk is full.
    pub fn write(&self, point: &MetricPoint) -> Result<(), RunError> {
        let line = serde_json::to_string(point).map_err(|e| RunError::json("metrics.jsonl", &e))?;
        self.lock().append(&line)
    }

    /// Writes every metric of an epoch of the cell `id`.
    ///
    /// # Errors
    /// [`RunError::Io`], for instance when the disk is full.
    pub fn epoch(&self, id: &str, record: &EpochRecord) -> Result<(), RunError> {
        let millis = self.clock.millis();
        let metrics = record.metrics.iter();
        metrics.map(|(name, value)| point(id, record, name, *value, millis)).try_for_each(|p| self.write(&p))
    }

    /// Makes the points of the cell `id` those of `epochs`, before training goes on after them: points of later epochs,
    /// which are trained again, are dropped; those that a kill kept from being written are added. Other cells' points
    /// and the times of those that stay are as they were.
    ///
    /// # Errors
    /// [`RunError::Io`], and [`RunError::Broken`] for a line that is no metric.
    pub fn rewind(&self, id: &str, epochs: &[EpochRecord]) -> Result<(), RunError> {
        let mut file = self.lock();
        let points: Vec<MetricPoint> = read_json_lines(file.path())?;
        let is =
            |p: &MetricPoint, epoch: usize, name: &str| p.cell == id && p.epoch == epoch && p.name == name;
        let known = |p: &MetricPoint| {
            epochs.iter().any(|e| e.epoch == p.epoch && e.metrics.iter().any(|(name, _)| *name == p.name))
        };
        let mut kept: Vec<MetricPoint> = Vec::with_capacity(points.len());
        for point in points {
            let again = kept.iter().any(|p| is(p, point.epoch, &point.name));
            if point.cell != id || (known(&point) && !again) {
                kept.push(point);
            }
        }
        let millis = self.clock.millis();
        for record in epochs {
            for (name, value) in &record.metrics {
                if !kept.iter().any(|p| is(p, record.epoch, name)) {
                    kept.push(point(id, record, name, *value, millis));
                }
            }
        }
        let mut text = String::new();
        for point in &kept {
            text.push_str(&serde_json::to_string(point).map_err(|e| RunError::json("metrics.jsonl", &e))?);
            text.push('\n');
        }
        file.replace(text.as_bytes())
    }

    /// Forces everything to disk.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn sync(&self) -> Result<(), RunError> {
        self.lock().sync()
    }

    fn lock(&self) -> MutexGuard<'_, AppendFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn point(id: &str, record: &EpochRecord, name: &str, value: f64, millis: u64) -> MetricPoint {
    let (step, epoch) = (record.step, record.epoch);
    MetricPoint { cell: id.to_owned(), step, epoch, millis, name: name.to_owned(), value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::FitEvents;
    use forge_core::history::{Event, Level};

    fn log(folder: &Path) -> EventLog {
        EventLog::open(folder, Clock::starting_now()).unwrap()
    }

    fn batch(step: u64) -> RunEvent {
        RunEvent::Batch {
            id: "fit".into(),
            epoch: 0,
            batch: step as usize,
            batches: 900,
            step,
            loss: Some(0.5),
        }
    }

    fn words(message: &str) -> RunEvent {
        RunEvent::Log { id: None, level: Level::Note, message: message.into() }
    }

    fn lines(folder: &Path) -> Vec<EventLine> {
        read_json_lines(&folder.join("events.jsonl")).unwrap()
    }

    #[test]
    fn at_most_four_batches_a_second_are_written_and_nothing_else_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path());
        for ms in 0..1000 {
            log.lock().emit(batch(ms), ms).unwrap();
            if ms % 100 == 0 {
                log.lock().emit(words("still here"), ms).unwrap();
            }
        }
        let lines = lines(folder.path());
        let batches: Vec<u64> =
            lines.iter().filter(|l| matches!(l.event, RunEvent::Batch { .. })).map(|l| l.t).collect();
        assert_eq!(batches, [0, 250, 500, 750]);
        assert_eq!(lines.len(), 4 + 10);
        assert!(lines.iter().enumerate().all(|(n, l)| l.seq == n as u64 && l.v == 1));
        let text = std::fs::read_to_string(folder.path().join("log.txt")).unwrap();
        assert_eq!(text.lines().count(), 10);
        assert_eq!(text.lines().last(), Some("[    0.900 s] still here"));
    }

    #[test]
    fn a_torn_last_line_is_ignored_by_readers_and_cut_by_the_next_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let first = log(folder.path());
        first.emit(words("one")).unwrap();
        first.emit(words(&"long ".repeat(3000))).unwrap();
        drop(first);
        let whole = std::fs::read(&path).unwrap();
        let third =
            serde_json::to_vec(&EventLine { v: 1, seq: 2, t: 9, event: words(&"torn ".repeat(3000)) });
        let third = third.unwrap();
        for torn_at in [1, 20, 4096, 9000, third.len()] {
            std::fs::write(&path, [&whole[..], &third[..torn_at]].concat()).unwrap();
            assert_eq!(lines(folder.path()).len(), 2, "torn after {torn_at} bytes");
            log(folder.path()).emit(words("after")).unwrap();
            let lines = lines(folder.path());
            assert_eq!((lines.len(), lines[2].seq), (3, 2), "numbering goes on");
            assert_eq!(lines[2].event, words("after"));
        }
        std::fs::write(&path, "{\"v\":1,\"se").unwrap();
        log(folder.path()).emit(words("a file that was nothing but a torn line")).unwrap();
        assert_eq!(lines(folder.path()).len(), 1);
    }

    #[test]
    fn a_broken_line_in_the_middle_is_named_and_kinds_of_later_versions_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        std::fs::write(
            &path,
            "{\"v\":1,\"seq\":0,\"t\":0,\"kind\":\"cell_cached\",\"id\":\"a\"}\nnonsense\n{}\n",
        )
        .unwrap();
        let error = read_json_lines::<EventLine>(&path).unwrap_err().to_string();
        assert!(error.contains("events.jsonl` line 2:"), "{error}");
        std::fs::write(&path, "{\"v\":1,\"seq\":0,\"t\":0,\"kind\":\"cell_cached\",\"id\":\"a\"}\n").unwrap();
        assert_eq!(lines(folder.path())[0].event, RunEvent::Unknown);
    }

    #[test]
    fn lines_of_many_threads_stay_whole_and_subscribers_see_the_order_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path());
        let seen = std::sync::Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        log.subscribe(Box::new(move |line| sink.lock().unwrap().push(line.clone())));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let log = &log;
                scope
                    .spawn(move || (0..100).for_each(|n| log.emit(words(&format!("{thread} {n}"))).unwrap()));
            }
        });
        let lines = lines(folder.path());
        assert_eq!(lines.len(), 400);
        assert!(lines.iter().enumerate().all(|(n, l)| l.seq == n as u64));
        assert_eq!(lines, *seen.lock().unwrap());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_an_error_that_says_what_to_do() {
        let mut file = AppendFile::open("/dev/full".into()).unwrap();
        let error = file.append("{}").unwrap_err().to_string();
        assert!(error.starts_with("cannot append to `/dev/full`: No space left on device"), "{error}");
        assert!(error.ends_with("free some space, or name a folder on another disk with --home"), "{error}");
    }

    #[test]
    fn metrics_keep_every_digit_and_an_undefined_one_is_null() {
        let folder = tempfile::tempdir().unwrap();
        let metrics = MetricLog::open(folder.path(), Clock::starting_now()).unwrap();
        let value = 0.1_f64 + 0.2;
        let record = EpochRecord {
            epoch: 3,
            step: 144,
            seconds: 0.5,
            learning_rate: 1e-3,
            metrics: vec![("val.mae".into(), value), ("val.loss".into(), f64::NAN)],
        };
        metrics.epoch("lstm", &record).unwrap();
        let path = folder.path().join("metrics.jsonl");
        let read: Vec<MetricPoint> = read_json_lines(&path).unwrap();
        assert_eq!((read[0].name.as_str(), read[0].value.to_bits()), ("val.mae", value.to_bits()));
        assert!(read[1].value.is_nan());
        let text = std::fs::read_to_string(&path).unwrap();
        let second = text.lines().nth(1).unwrap();
        assert!(second.starts_with(r#"{"c":"lstm","s":144,"e":3,"t":"#), "{second}");
        assert!(second.ends_with(r#","n":"val.loss","v":null}"#), "{second}");
    }

    #[test]
    fn events_of_a_learner_carry_the_totals_it_stated_once() {
        let mut fit = FitEvents::new("fit");
        let begin = Event::TrainBegin { epochs: 60, steps_per_epoch: 36, parameters: 17_000, first_epoch: 0 };
        assert_eq!(fit.convert(&begin).unwrap().to_string(), "fit: 17000 parameters, 60 epochs of 36 steps");
        assert_eq!(fit.convert(&Event::EpochBegin { epoch: 0 }), None);
        let step = fit.convert(&Event::BatchEnd { epoch: 1, step: 40, batch: 4, loss: f64::NAN }).unwrap();
        assert_eq!(
            step,
            RunEvent::Batch { id: "fit".into(), epoch: 1, batch: 4, batches: 36, step: 40, loss: None }
        );
        let record = EpochRecord {
            epoch: 1,
            step: 72,
            seconds: 0.2,
            learning_rate: 1e-3,
            metrics: vec![("val.loss".into(), 0.25), ("train.loss".into(), f64::INFINITY)],
        };
        let epoch = fit.convert(&Event::EpochEnd { record }).unwrap();
        assert_eq!(epoch.to_string(), "fit: epoch 2/60  train.loss undefined  val.loss 0.25000");
        let line = EventLine { v: 1, seq: 0, t: 5, event: epoch };
        let json = serde_json::to_string(&line).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"{"v":1,"seq":0,"t":5,"kind":"epoch","id":"fit","epoch":1,"epochs":60,"step":72,"seconds":0.2,"#,
                r#""learning_rate":0.001,"metrics":{"train.loss":null,"val.loss":0.25}}"#
            )
        );
        assert_eq!(serde_json::from_str::<EventLine>(&json).unwrap(), line);
    }
}
