//! The sequence of requests, the same in the same order for every cache.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_distr::Zipf;

use crate::BoxError;
use crate::flags::Plan;

/// The users that each client requests.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    pub(crate) clients: Vec<Arc<[u32]>>,
}

impl Traffic {
    pub(crate) fn new(plan: &Plan) -> Result<Self, BoxError> {
        let mut rng = StdRng::seed_from_u64(plan.stock.seed ^ TRAFFIC);
        // Shuffled, so that popular users are not neighbors in the table.
        let mut users: Vec<u32> = (1..=plan.stock.users as u32).collect();
        users.shuffle(&mut rng);
        let ranks = Zipf::new(users.len() as f64, plan.zipf_exponent)?;
        let mut next = || users[rng.sample(ranks) as usize - 1];
        // The first clients send one request more if the requests cannot be divided evenly.
        let share = |client| (plan.requests + plan.clients - 1 - client) / plan.clients;
        let clients = (0..plan.clients).map(|client| (0..share(client)).map(|_| next()).collect());
        Ok(Self {
            clients: clients.collect(),
        })
    }

    /// A part of each client's requests: from 0 to 0.5 is the first half.
    pub(crate) fn part(&self, from: f64, to: f64) -> Self {
        let part = |users: &Arc<[u32]>| {
            let place = |share: f64| (users.len() as f64 * share) as usize;
            Arc::from(&users[place(from)..place(to)])
        };
        Self {
            clients: self.clients.iter().map(part).collect(),
        }
    }

    /// The requests of all clients.
    pub(crate) fn users(&self) -> impl Iterator<Item = u32> {
        self.clients.iter().flat_map(|users| users.iter().copied())
    }
}

/// Makes these random numbers independent of those in the database.
const TRAFFIC: u64 = 0x7472_6166_6669_6321;
