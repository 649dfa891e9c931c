//! Who has which job: the whole decision of the dispatcher, as a plain state machine that knows no socket and no clock.
//!
//! Rules:
//! 1. Jobs wait by class (certified, speculative, simulation), then in order of arrival.
//! 2. The first waiting job goes to the seat that holds its model, has room, and is least loaded for its capacity. A
//!    quarter of each seat's room is kept for certified jobs.
//! 3. A job is at one seat at a time, under a ticket of its own. An answer counts if its ticket is still valid; tickets
//!    of lost seats and of cancelled jobs are not, so a job is answered once.
//! 4. When a seat is lost, its jobs wait again in the places they had.
//! 5. A job that was at several seats when they were lost is suspected of it: it runs alone, at a seat that has nothing
//!    else to do, so that it takes no other job with it. After some more such losses it is given up if only simulations
//!    want it; what a block waits for never is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use noema_engine::limits::{QUEUE_BYTES_MAX, QUEUE_JOBS_MAX, QUEUE_OTHERS_BYTES_MAX, QUEUE_OTHERS_MAX};
use noema_engine::{Memo, weight};
use noema_inference_api::{Answer, EngineError, Job, JobClass, JobId};
use noema_types::Hash;

use crate::limits::{GIVEN_UP_KEPT, LOSSES_MAX, LOSSES_SUSPECTED, TOKEN_BYTES_MAX};
use crate::report::{QueueReport, Totals};

/// Milliseconds since the dispatcher's start.
pub(crate) type Millis = u64;
/// Number of a seat; never used again.
pub(crate) type Seat = u64;
/// Number of one handing over of one job; never used again.
pub(crate) type Ticket = u64;

/// Of each seat's room, one part in so many is kept for certified jobs.
const RESERVED_PART: usize = 4;

/// Jobs, seats and answers.
#[derive(Debug, Default)]
pub(crate) struct Book {
    memo: Memo,
    open: BTreeMap<JobId, Open>,
    queue: BTreeSet<(JobClass, u64, JobId)>,
    seats: BTreeMap<Seat, Place>,
    arrivals: u64,
    tickets: Ticket,
    next_seat: Seat,
    bytes: usize,
    /// Jobs given up, the last ones.
    given_up: VecDeque<JobId>,
    /// Why it ended.
    pub(crate) stopped: Option<String>,
    pub(crate) totals: Totals,
}

/// A job without an answer.
#[derive(Debug)]
struct Open {
    job: Arc<Job>,
    class: JobClass,
    arrival: u64,
    /// Times it was submitted, less the times it was cancelled.
    wanted: u64,
    bytes: usize,
    since: Millis,
    at: Option<(Seat, Ticket)>,
    /// Seats that were lost while they had it.
    losses: u32,
    /// What is said of the answer's text.
    text: String,
    /// The seat that said all of it; none while nothing is said, or once several did.
    said_by: Said,
}

/// Who said what is known of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nobody,
    One(Seat),
    Several,
}

/// Who answers jobs.
#[derive(Debug)]
struct Place {
    /// Models it holds.
    models: BTreeSet<Hash>,
    capacity: usize,
    is_open: bool,
    jobs: BTreeMap<Ticket, (JobId, Millis)>,
    /// Whether its one job is suspected and stays alone.
    is_alone: bool,
}

/// A job for a seat.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    pub(crate) seat: Seat,
    pub(crate) ticket: Ticket,
    pub(crate) job: Arc<Job>,
    pub(crate) class: JobClass,
}

/// What came of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is the job's answer now.
    Yes(Arc<Job>),
    /// The job has moved on, was answered or cancelled.
    Late,
    /// It is not what the same seat said piece by piece; not taken.
    Contradiction,
}

/// What came of a submission.
#[derive(Debug, Clone)]
pub(crate) enum Submitted {
    /// The answer is known.
    Known,
    /// The job waits.
    Waits,
    /// The job is at a seat, which should hear that more depends on it.
    Raised(Assignment),
}

impl Book {
    /// Takes a job unless it is known.
    pub(crate) fn submit(
        &mut self,
        job: &Job,
        class: JobClass,
        now: Millis,
    ) -> Result<(JobId, Submitted), EngineError> {
        if let Some(reason) = &self.stopped {
            return Err(EngineError::Stopped(reason.clone()));
        }
        let id = job.id();
        if self.memo.get(id).is_some() {
            self.totals.memo_hits += 1;
            return Ok((id, Submitted::Known));
        }
        if let Some(open) = self.open.get_mut(&id) {
            open.wanted += 1;
            return Ok((id, self.raise(id, class)));
        }
        let bytes = weight(job);
        if self.is_full(class, bytes) {
            return Err(EngineError::Busy(self.open.len()));
        }
        let arrival = self.arrivals;
        self.arrivals += 1;
        self.bytes += bytes;
        let (job, text) = (Arc::new(job.clone()), String::new());
        self.open.insert(
            id,
            Open {
                job,
                class,
                arrival,
                wanted: 1,
                bytes,
                since: now,
                at: None,
                losses: 0,
                text,
                said_by: Said::Nobody,
            },
        );
        self.given_up.retain(|known| *known != id);
        self.queue.insert((class, arrival, id));
        Ok((id, Submitted::Waits))
    }

    fn raise(&mut self, id: JobId, class: JobClass) -> Submitted {
        let open = self.open.get_mut(&id).expect("the caller has found it");
        if class >= open.class {
            return Submitted::Waits;
        }
        let was = std::mem::replace(&mut open.class, class);
        if self.queue.remove(&(was, open.arrival, id)) {
            self.queue.insert((class, open.arrival, id));
        }
        match open.at {
            Some((seat, ticket)) => Submitted::Raised(Assignment { seat, ticket, job: Arc::clone(&open.job), class }),
            None => Submitted::Waits,
        }
    }

    fn is_full(&self, class: JobClass, bytes: usize) -> bool {
        let (jobs_max, bytes_max) = match class {
            JobClass::Certified => (QUEUE_JOBS_MAX, QUEUE_BYTES_MAX),
            JobClass::Speculative | JobClass::Simulation => (QUEUE_OTHERS_MAX, QUEUE_OTHERS_BYTES_MAX),
        };
        self.open.len() >= jobs_max || self.bytes + bytes > bytes_max
    }

    /// The answer to a job, if it is remembered.
    pub(crate) fn answer_of(&self, id: JobId) -> Option<&Answer> {
        self.memo.get(id)
    }

    /// What is certain of a job's text; none if it is not open.
    pub(crate) fn text_of(&self, id: JobId) -> Option<&str> {
        self.open.get(&id).map(|open| open.text.as_str())
    }

    /// Takes back one submission; the seat and ticket of a job that nobody wants any more.
    pub(crate) fn cancel(&mut self, id: JobId) -> Option<(Seat, Ticket)> {
        let open = self.open.get_mut(&id)?;
        open.wanted = open.wanted.saturating_sub(1);
        if open.wanted > 0 || open.class != JobClass::Simulation {
            return None;
        }
        self.totals.cancelled += 1;
        self.close(id).at
    }

    /// Takes a job out; it is answered or unwanted.
    fn close(&mut self, id: JobId) -> Open {
        let open = self.open.remove(&id).expect("only open jobs are closed");
        self.queue.remove(&(open.class, open.arrival, id));
        self.bytes -= open.bytes;
        if let Some((seat, ticket)) = open.at {
            let place = self.seats.get_mut(&seat).expect("a job is at a seat that exists");
            place.jobs.remove(&ticket).expect("a job's ticket is its seat's");
            place.is_alone = false;
        }
        open
    }

    /// Whether a job was given up.
    pub(crate) fn is_given_up(&self, id: JobId) -> bool {
        self.given_up.contains(&id)
    }

    /// A new seat for jobs of these models.
    pub(crate) fn sit(&mut self, models: impl IntoIterator<Item = Hash>, capacity: usize) -> Seat {
        let seat = self.next_seat;
        self.next_seat += 1;
        let models = models.into_iter().collect();
        self.seats.insert(seat, Place { models, capacity, is_open: true, jobs: BTreeMap::new(), is_alone: false });
        seat
    }

    /// The seat gets no more jobs.
    pub(crate) fn close_seat(&mut self, seat: Seat) {
        if let Some(place) = self.seats.get_mut(&seat) {
            place.is_open = false;
        }
    }

    /// The seat is lost: its jobs wait again, in the places they had. How many there were.
    pub(crate) fn leave(&mut self, seat: Seat) -> u64 {
        let Some(place) = self.seats.remove(&seat) else { return 0 };
        for (id, _) in place.jobs.values() {
            let open = self.open.get_mut(id).expect("a seat's jobs are open");
            open.at = None;
            open.losses += 1;
            if open.losses >= LOSSES_SUSPECTED {
                tracing::warn!(job = %id, losses = open.losses, "workers are lost while they have this job: it runs alone");
            }
            let is_given_up = open.losses >= LOSSES_MAX && open.class == JobClass::Simulation;
            assert!(self.queue.insert((open.class, open.arrival, *id)), "a job at a seat does not wait");
            if is_given_up {
                self.give_up(*id);
            }
        }
        let moved = place.jobs.len() as u64;
        self.totals.moved += moved;
        moved
    }

    fn give_up(&mut self, id: JobId) {
        tracing::error!(job = %id, "this job is given up: every worker that had it was lost");
        self.close(id);
        self.totals.given_up += 1;
        if self.given_up.len() == GIVEN_UP_KEPT {
            self.given_up.pop_front();
        }
        self.given_up.push_back(id);
    }

    /// The seat hands one job back; whether it had it.
    pub(crate) fn hand_back(&mut self, seat: Seat, ticket: Ticket) -> bool {
        let Some(place) = self.seats.get_mut(&seat) else { return false };
        let Some((id, _)) = place.jobs.remove(&ticket) else { return false };
        place.is_alone = false;
        let open = self.open.get_mut(&id).expect("a seat's jobs are open");
        open.at = None;
        assert!(self.queue.insert((open.class, open.arrival, id)), "a job at a seat does not wait");
        self.totals.moved += 1;
        true
    }

    /// A ticket for something else than a job of the book: tests of workers look like jobs.
    pub(crate) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        self.tickets
    }

    /// Waiting jobs that now go to seats.
    pub(crate) fn assign(&mut self, now: Millis) -> Vec<Assignment> {
        let mut orders = Vec::new();
        let mut room = self.seats.values().any(Place::has_room);
        let waiting: Vec<_> = if room { self.queue.iter().copied().collect() } else { Vec::new() };
        for (class, arrival, id) in waiting {
            if !room {
                break;
            }
            let waiting = &self.open[&id];
            let is_suspected = waiting.losses >= LOSSES_SUSPECTED;
            let Some(seat) = self.best_seat(waiting.job.model, class, is_suspected) else { continue };
            let ticket = self.ticket();
            let place = self.seats.get_mut(&seat).expect("just chosen");
            place.is_alone = is_suspected;
            place.jobs.insert(ticket, (id, now));
            self.queue.remove(&(class, arrival, id));
            let open = self.open.get_mut(&id).expect("a waiting job is open");
            assert!(open.at.replace((seat, ticket)).is_none(), "a waiting job is at no seat");
            orders.push(Assignment { seat, ticket, job: Arc::clone(&open.job), class });
            room = self.seats.values().any(Place::has_room);
        }
        orders
    }

    /// The least loaded seat with room, an empty one for a suspected job; the oldest of equals.
    fn best_seat(&self, model: Hash, class: JobClass, is_suspected: bool) -> Option<Seat> {
        let fitting = self.seats.iter().filter(|(_, place)| {
            place.models.contains(&model)
                && place.has_room()
                && (!is_suspected || place.jobs.is_empty())
                && (class == JobClass::Certified || place.has_room_for_others())
        });
        let least = fitting.min_by(|(_, a), (_, b)| (a.jobs.len() * b.capacity).cmp(&(b.jobs.len() * a.capacity)));
        least.map(|(seat, _)| *seat)
    }

    /// The job behind a valid ticket.
    pub(crate) fn job_of(&self, seat: Seat, ticket: Ticket) -> Option<&Arc<Job>> {
        let (id, _) = self.seats.get(&seat)?.jobs.get(&ticket)?;
        Some(&self.open[id].job)
    }

    /// Takes an answer if its ticket is valid.
    pub(crate) fn answer(&mut self, seat: Seat, ticket: Ticket, answer: Answer) -> Taken {
        let found = self.seats.get(&seat).and_then(|place| place.jobs.get(&ticket)).map(|(id, _)| *id);
        let Some(id) = found else {
            self.totals.late += 1;
            return Taken::Late;
        };
        let open = &self.open[&id];
        if let Answer::Generated(generated) = &answer
            && !generated.text.starts_with(&open.text)
            && open.said_by == Said::One(seat)
        {
            return Taken::Contradiction;
        }
        let open = self.close(id);
        self.totals.answered += 1;
        // What is forgotten for it can be asked again.
        drop(self.memo.insert(id, answer));
        Taken::Yes(open.job)
    }

    /// Takes a piece of a text; the error says how the seat contradicts itself. Whether there is news.
    ///
    /// A seat that contradicts what a lost one said may well be right: its pieces are dropped, its answer counts.
    pub(crate) fn piece(&mut self, seat: Seat, ticket: Ticket, offset: u64, piece: &str) -> Result<bool, String> {
        let Some((id, _)) = self.seats.get(&seat).and_then(|place| place.jobs.get(&ticket)) else { return Ok(false) };
        let open = self.open.get_mut(id).expect("a seat's jobs are open");
        let news = usize::try_from(offset).ok().and_then(|start| news(&open.text, start, piece)).map(str::to_owned);
        let Some(news) = news else {
            if matches!(open.said_by, Said::Nobody) || open.said_by == Said::One(seat) {
                return Err("pieces of a text do not fit together".to_owned());
            }
            return Ok(false);
        };
        if news.is_empty() {
            return Ok(false);
        }
        let most = open.job.options.max_new_tokens as usize * TOKEN_BYTES_MAX;
        if open.text.len() + news.len() > most {
            return Err(format!("pieces of a text are over {most} bytes"));
        }
        open.text.push_str(&news);
        open.said_by = match open.said_by {
            Said::Nobody => Said::One(seat),
            Said::One(other) if other == seat => Said::One(seat),
            Said::One(_) | Said::Several => Said::Several,
        };
        Ok(true)
    }

    /// Since when the seat has had its oldest job.
    pub(crate) fn oldest_of(&self, seat: Seat) -> Option<Millis> {
        self.seats.get(&seat)?.jobs.values().map(|(_, since)| *since).min()
    }

    /// Jobs at a seat.
    pub(crate) fn load_of(&self, seat: Seat) -> usize {
        self.seats.get(&seat).map_or(0, |place| place.jobs.len())
    }

    /// What waits.
    pub(crate) fn queue_report(&self, now: Millis) -> QueueReport {
        let since = self.queue.iter().map(|(.., id)| self.open[id].since).min();
        QueueReport {
            jobs: self.queue.len() as u64,
            open: self.open.len() as u64,
            bytes: self.bytes as u64,
            oldest_ms: since.map_or(0, |since| now.saturating_sub(since)),
        }
    }
}

/// What a piece adds to a text; none if the two contradict each other.
fn news<'a>(text: &str, start: usize, piece: &'a str) -> Option<&'a str> {
    let said = text.as_bytes().get(start..)?;
    let both = said.len().min(piece.len());
    if said[..both] == piece.as_bytes()[..both] { piece.get(both..) } else { None }
}

impl Place {
    fn has_room(&self) -> bool {
        self.is_open && !self.is_alone && self.jobs.len() < self.capacity
    }

    fn has_room_for_others(&self) -> bool {
        self.jobs.len() < (self.capacity - self.capacity / RESERVED_PART).max(1)
    }
}

#[cfg(test)]
mod tests {
    use noema_inference_api::{Generated, JobKind, Options, Stop};
    use proptest::prelude::*;

    use super::*;

    const MODEL: Hash = Hash([1; 32]);

    fn job(number: u64) -> Job {
        let options = Options { seed: number, ..Options::default() };
        Job { numerics: 1, model: MODEL, kind: JobKind::Generate, prompt: "a".to_owned(), options }
    }

    fn answer(number: u64) -> Answer {
        let text = format!("answer {number}");
        Answer::Generated(Generated { text, prompt_tokens: 1, new_tokens: 1, stop: Stop::Length })
    }

    fn numbers(orders: &[Assignment]) -> Vec<u64> {
        orders.iter().map(|order| order.job.options.seed).collect()
    }

    #[test]
    fn classes_come_first_then_arrival_and_load_is_spread() {
        let mut book = Book::default();
        for (number, class) in [(1, JobClass::Simulation), (2, JobClass::Speculative), (3, JobClass::Certified)] {
            book.submit(&job(number), class, 0).unwrap();
        }
        assert!(book.assign(0).is_empty(), "nobody is there");
        let (small, large) = (book.sit([MODEL], 4), book.sit([MODEL], 8));
        let other = book.sit([Hash([2; 32])], 8);
        let orders = book.assign(0);
        assert_eq!(numbers(&orders), [3, 2, 1]);
        assert_eq!(orders.iter().map(|order| order.seat).collect::<Vec<_>>(), [small, large, large]);
        assert_eq!(book.load_of(other), 0);
    }

    #[test]
    fn room_is_kept_for_certified_jobs() {
        let mut book = Book::default();
        let seat = book.sit([MODEL], 4);
        for number in 0..6 {
            book.submit(&job(number), JobClass::Simulation, 0).unwrap();
        }
        assert_eq!(numbers(&book.assign(0)), [0, 1, 2]);
        book.submit(&job(9), JobClass::Certified, 0).unwrap();
        assert_eq!(numbers(&book.assign(0)), [9]);
        assert_eq!(book.load_of(seat), 4);
    }

    #[test]
    fn a_lost_seats_jobs_wait_in_their_places_and_old_tickets_are_void() {
        let mut book = Book::default();
        let first = book.sit([MODEL], 2);
        for number in 0..4 {
            book.submit(&job(number), JobClass::Certified, 0).unwrap();
        }
        let orders = book.assign(0);
        assert_eq!(numbers(&orders), [0, 1]);
        assert_eq!(book.leave(first), 2);
        let second = book.sit([MODEL], 8);
        let again = book.assign(0);
        assert_eq!(numbers(&again), [0, 1, 2, 3]);
        assert_eq!(book.answer(first, orders[0].ticket, answer(7)), Taken::Late);
        assert_eq!(book.answer(second, orders[0].ticket, answer(7)), Taken::Late);
        assert_eq!(book.answer(second, again[0].ticket, answer(0)), Taken::Yes(Arc::new(job(0))));
        assert_eq!(book.answer(second, again[0].ticket, answer(0)), Taken::Late, "once");
        assert_eq!(book.answer_of(job(0).id()), Some(&answer(0)));
        assert_eq!((book.totals.moved, book.totals.late, book.totals.answered), (2, 3, 1));
    }

    #[test]
    fn cancelled_jobs_leave_unless_others_want_them() {
        let mut book = Book::default();
        let seat = book.sit([MODEL], 8);
        let (id, _) = book.submit(&job(1), JobClass::Simulation, 0).unwrap();
        book.submit(&job(1), JobClass::Simulation, 0).unwrap();
        let ticket = book.assign(0)[0].ticket;
        assert_eq!(book.cancel(id), None);
        assert_eq!(book.cancel(id), Some((seat, ticket)));
        assert_eq!((book.load_of(seat), book.text_of(id)), (0, None));
        let (id, _) = book.submit(&job(2), JobClass::Simulation, 0).unwrap();
        book.assign(0);
        let raised = book.submit(&job(2), JobClass::Certified, 0).unwrap().1;
        assert!(matches!(raised, Submitted::Raised(order) if order.class == JobClass::Certified));
        assert_eq!((book.cancel(id), book.cancel(id)), (None, None), "a block waits for it");
    }

    #[test]
    fn the_queue_is_bounded_and_blocks_find_room() {
        let mut book = Book::default();
        let mut taken = 0;
        while book.submit(&job(taken), JobClass::Simulation, 0).is_ok() {
            taken += 1;
        }
        assert_eq!(taken as usize, QUEUE_OTHERS_MAX);
        while book.submit(&job(taken), JobClass::Certified, 0).is_ok() {
            taken += 1;
        }
        assert_eq!(taken as usize, QUEUE_JOBS_MAX);
        let full = book.submit(&job(taken), JobClass::Certified, 0).map(|_| ());
        assert_eq!(full, Err(EngineError::Busy(QUEUE_JOBS_MAX)));
    }

    #[test]
    fn pieces_of_the_second_seat_continue_those_of_the_first() {
        let mut book = Book::default();
        let first = book.sit([MODEL], 1);
        let (id, _) = book.submit(&job(1), JobClass::Simulation, 0).unwrap();
        let ticket = book.assign(0)[0].ticket;
        assert_eq!(book.piece(first, ticket, 0, "abc"), Ok(true));
        assert_eq!(book.piece(first, ticket, 4, "e"), Err("pieces of a text do not fit together".to_owned()));
        book.leave(first);
        let second = book.sit([MODEL], 1);
        let ticket = book.assign(0)[0].ticket;
        assert_eq!(book.piece(second, ticket, 0, "ab"), Ok(false));
        assert_eq!(book.piece(second, ticket, 2, "cd"), Ok(true));
        assert_eq!(book.text_of(id), Some("abcd"));
        assert_eq!(book.piece(second, ticket, 0, "x"), Ok(false), "the first may have lied");
        let kept = book.answer(second, ticket, answer(1));
        assert_eq!(kept, Taken::Yes(Arc::new(job(1))));
        book.submit(&job(2), JobClass::Simulation, 0).unwrap();
        let ticket = book.assign(0)[0].ticket;
        assert_eq!(book.piece(second, ticket, 0, "abc"), Ok(true));
        assert!(book.piece(second, ticket, 0, "x").is_err());
        assert!(book.piece(second, ticket, 3, &"x".repeat(1 << 20)).is_err());
        assert_eq!(book.answer(second, ticket, answer(2)), Taken::Contradiction);
        assert_eq!(book.piece(second, ticket + 1, 0, "x"), Ok(false), "not its job");
    }

    #[derive(Debug, Clone)]
    enum Event {
        Submit(u64, u8),
        Sit(usize),
        Leave(usize),
        Answer(usize),
        HandBack(usize),
        Cancel(u64),
        Close(usize),
    }

    #[test]
    fn a_job_that_takes_workers_with_it_runs_alone_and_is_given_up_unless_a_block_waits() {
        for (class, is_given_up) in [(JobClass::Simulation, true), (JobClass::Certified, false)] {
            let mut book = Book::default();
            let (poison, innocent) = (job(1), job(2));
            let (id, _) = book.submit(&poison, class, 0).unwrap();
            for loss in 1..=LOSSES_MAX {
                let seat = book.sit([MODEL], 4);
                book.submit(&innocent, JobClass::Certified, 0).unwrap();
                let mut orders = book.assign(0);
                // Suspected, it gets a seat of its own, and the other one waits; or it waits for the other one.
                if orders.iter().all(|order| order.job.id() != id) {
                    let first = orders.pop().expect("the innocent one runs");
                    assert_eq!(book.answer(seat, first.ticket, answer(2)), Taken::Yes(Arc::new(innocent.clone())));
                    orders = book.assign(0);
                }
                if loss > LOSSES_SUSPECTED {
                    assert_eq!(orders.iter().map(|order| order.job.id()).collect::<Vec<_>>(), [id]);
                    book.submit(&job(3), JobClass::Simulation, 0).unwrap();
                    assert!(book.assign(0).is_empty(), "nothing joins a suspected job");
                    book.cancel(job(3).id());
                }
                book.leave(seat);
            }
            assert_eq!(book.is_given_up(id), is_given_up, "{class:?}");
            assert_eq!(book.text_of(id).is_none(), is_given_up);
            assert_eq!(book.totals.given_up, u64::from(is_given_up));
            book.submit(&poison, class, 0).unwrap();
            assert!(!book.is_given_up(id), "it may be tried again");
        }
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => (0u64..40, 0u8..3).prop_map(|(number, class)| Event::Submit(number, class)),
            1 => (1usize..6).prop_map(Event::Sit),
            1 => any::<usize>().prop_map(Event::Leave),
            4 => any::<usize>().prop_map(Event::Answer),
            1 => any::<usize>().prop_map(Event::HandBack),
            1 => (0u64..40).prop_map(Event::Cancel),
            1 => any::<usize>().prop_map(Event::Close),
        ]
    }

    proptest! {
        /// Whatever happens: a job is in one place, is answered once, and with nobody left unwanted at the end, by all.
        #[test]
        fn every_job_is_in_one_place_and_answered_once(events in prop::collection::vec(event(), 1..200)) {
            let mut book = Book::default();
            let mut valid: BTreeMap<Ticket, (Seat, u64)> = BTreeMap::new();
            let mut stale: Vec<(Seat, Ticket)> = Vec::new();
            let mut seats: Vec<Seat> = Vec::new();
            let mut answered: BTreeSet<u64> = BTreeSet::new();
            for event in events {
                match event {
                    Event::Submit(number, class) => {
                        let class = [JobClass::Certified, JobClass::Speculative, JobClass::Simulation][usize::from(class)];
                        let (_, submitted) = book.submit(&job(number), class, 0).unwrap();
                        prop_assert_eq!(matches!(submitted, Submitted::Known), answered.contains(&number));
                    }
                    Event::Sit(capacity) => seats.push(book.sit([MODEL], capacity)),
                    Event::Close(which) if !seats.is_empty() => book.close_seat(seats[which % seats.len()]),
                    Event::Leave(which) if !seats.is_empty() => {
                        let seat = seats.remove(which % seats.len());
                        let had = valid.iter().filter(|(_, (at, _))| *at == seat).count() as u64;
                        prop_assert_eq!(book.leave(seat), had);
                        stale.extend(valid.iter().filter(|(_, (at, _))| *at == seat).map(|(ticket, _)| (seat, *ticket)));
                        valid.retain(|_, (at, _)| *at != seat);
                    }
                    Event::Answer(which) if !valid.is_empty() => {
                        let (ticket, (seat, number)) = valid.iter().nth(which % valid.len()).map(|(a, b)| (*a, *b)).unwrap();
                        prop_assert_eq!(book.answer(seat, ticket, answer(number)), Taken::Yes(Arc::new(job(number))));
                        prop_assert!(answered.insert(number), "answered twice");
                        valid.remove(&ticket);
                        stale.push((seat, ticket));
                    }
                    Event::HandBack(which) if !valid.is_empty() => {
                        let (ticket, (seat, _)) = valid.iter().nth(which % valid.len()).map(|(a, b)| (*a, *b)).unwrap();
                        prop_assert!(book.hand_back(seat, ticket));
                        valid.remove(&ticket);
                        stale.push((seat, ticket));
                    }
                    Event::Cancel(number) => {
                        if let Some((seat, ticket)) = book.cancel(job(number).id()) {
                            prop_assert_eq!(valid.remove(&ticket), Some((seat, number)));
                            stale.push((seat, ticket));
                        }
                    }
                    _ => {}
                }
                for (seat, ticket) in stale.drain(..) {
                    prop_assert_eq!(book.answer(seat, ticket, answer(99)), Taken::Late);
                }
                for order in book.assign(0) {
                    let number = order.job.options.seed;
                    prop_assert!(valid.values().all(|(_, at)| *at != number), "one job at two seats");
                    prop_assert!(!answered.contains(&number), "an answered job runs again");
                    prop_assert!(seats.contains(&order.seat));
                    valid.insert(order.ticket, (order.seat, number));
                }
                prop_assert_eq!(book.open.len(), book.queue.len() + valid.len());
            }
            // With a seat that takes everything, everything is answered, suspected jobs one by one.
            book.sit([MODEL], 4_096);
            book.submit(&job(1_000), JobClass::Certified, 0).unwrap();
            while !book.open.is_empty() {
                for order in book.assign(0) {
                    valid.insert(order.ticket, (order.seat, order.job.options.seed));
                }
                prop_assert!(!valid.is_empty(), "jobs wait for ever");
                for (ticket, (seat, number)) in std::mem::take(&mut valid) {
                    prop_assert_eq!(book.answer(seat, ticket, answer(number)), Taken::Yes(Arc::new(job(number))));
                }
            }
            prop_assert!(book.queue.is_empty() && book.bytes == 0);
        }
    }
}
