//! Chance that is the same in every run.

/// Numbers that look random, from a seed.
pub(crate) struct Chance(fastrand::Rng);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// From 0 to 1.
    pub(crate) fn share(&mut self) -> f64 {
        self.0.f64()
    }

    pub(crate) fn between(&mut self, (least, most): (f64, f64)) -> f64 {
        least + (most - least) * self.share()
    }

    /// How long until what happens once in `mean`.
    pub(crate) fn wait(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.share()).ln()
    }

    /// Mean 0, deviation 1.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.share()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.share()).cos()
    }

    /// How often what happens `mean` times on average does happen.
    pub(crate) fn times(&mut self, mean: f64) -> f64 {
        if mean <= 0.0 {
            return 0.0;
        }
        if mean > 20.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0);
        }
        let (limit, mut product, mut times) = ((-mean).exp(), self.share(), 0.0);
        while product > limit {
            product *= self.share();
            times += 1.0;
        }
        times
    }
}
