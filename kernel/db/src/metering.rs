//! Booking: what this process counted goes to the ledger; what servers count is measured by one process at a time.
use crate::directory::plan::{self, Plan};
use crate::directory::usage::{self, Counter, Day, Line, Near, Usage};
use crate::meter::{Account, Meter, Stands, Window, day_of, process_cpu};
use crate::{Databases, DbError, Tenant};
use chrono::{DateTime, DurationRound as _, NaiveDate, TimeDelta, Utc};
use hitaji_core::TenantId;
use sqlx::PgConnection;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Whose line it is that belongs to no organisation.
pub const PLATFORM: Uuid = Uuid::nil();

impl Databases {
    pub fn meter(&self) -> &Meter {
        &self.0.meter
    }

    /// The organisation's account, which knows how it stands today.
    pub async fn account(&self, tenant: &Tenant) -> Result<(Arc<Account>, Stands), DbError> {
        let (account, now) = (self.meter().account(Some(tenant.id)), self.0.clock.now());
        if let Some(stands) = account.stands(now) {
            return Ok((account, stands));
        }
        let (day, ends_at) = day_of(now, tenant.time_zone);
        let mut conn = self.control().await?;
        let standing = usage::standings(&mut conn, &[(tenant.id, day)]).await?.pop().unwrap_or_default();
        conn.release();
        account.stand(Stands { day, ends_at, standing });
        let stands = account.stands(now).unwrap_or(Stands { day, ends_at, standing });
        Ok((account, stands))
    }

    /// How the organisation stands by the ledger, with what this process has not booked yet.
    pub async fn standing(&self, tenant: &Tenant) -> Result<Stands, DbError> {
        self.meter().forget_standing(tenant.id);
        Ok(self.account(tenant).await?.1)
    }

    /// Adds to the ledger what was counted since the last time, as the minute in which that began.
    pub async fn book_usage(&self) -> Result<(), DbError> {
        let meter = self.meter();
        let mut window = meter.0.window.lock().await;
        let (now, cpu) = (self.0.clock.now(), process_cpu());
        let begun = window.unwrap_or(Window { since: now, process_cpu: Duration::ZERO });
        let taken = self.take_usage(begun.since, cpu.saturating_sub(begun.process_cpu)).await;
        let mut conn = match self.control().await {
            Ok(conn) => conn,
            Err(error) => return Err(self.give_back(taken, error)),
        };
        let minute = begun.since.duration_trunc(TimeDelta::minutes(1)).unwrap_or(begun.since);
        let used = taken.lines.iter().filter(|(line, _)| line.usage != Usage::default());
        let lines: Vec<Line> = used.map(|(line, _)| *line).collect();
        if let Err(error) = usage::add(&mut conn, minute, &lines, self.0.process, &taken.total).await {
            return Err(self.give_back(taken, error));
        }
        *window = Some(Window { since: now, process_cpu: cpu });
        let known: Vec<(TenantId, Stands, Arc<Account>)> = taken
            .lines
            .into_iter()
            .filter_map(|(line, account)| {
                let account = account?;
                Some((TenantId(line.tenant), account.stands(now)?, account))
            })
            .collect();
        let asked: Vec<_> = known.iter().map(|(id, stands, _)| (*id, stands.day)).collect();
        let standings = usage::standings(&mut conn, &asked).await?;
        conn.release();
        for ((_, stands, account), standing) in known.into_iter().zip(standings) {
            account.stand(Stands { standing, ..stands });
        }
        Ok(())
    }

    async fn take_usage(&self, since: DateTime<Utc>, process_cpu: Duration) -> Taken {
        let meter = self.meter();
        let cpu_part = meter.cpu_part();
        let (mut held, mut platform) = (HashMap::new(), meter.platform().take(cpu_part));
        let mut total = Usage { cpu_us: micros(process_cpu), ..meter.process().take(cpu_part) };
        for (tenant, time) in self.0.governor.take_all_usage() {
            total.database_us += micros(time);
            match tenant {
                Some(id) => *held.entry(id).or_default() += micros(time),
                None => platform.database_us += micros(time),
            }
        }
        let mut accounts: HashMap<TenantId, Arc<Account>> = meter.accounts().into_iter().collect();
        for id in held.keys() {
            accounts.entry(*id).or_insert_with(|| meter.account(Some(*id)));
        }
        let (mut lines, mut tenants_cpu_us) =
            (Vec::<(Line, Option<Arc<Account>>)>::with_capacity(accounts.len() + 1), 0);
        for (id, account) in accounts {
            let usage = Usage { database_us: held.get(&id).copied().unwrap_or_default(), ..account.take(cpu_part) };
            tenants_cpu_us += usage.cpu_us;
            let (day, _) = match self.describe(id).await {
                Ok(tenant) => day_of(since, tenant.time_zone),
                // Erased, or not to be asked just now: a day of UTC is better than none.
                Err(_) => day_of(since, chrono_tz::UTC),
            };
            lines.push((Line { tenant: id.0, day, usage }, Some(account)));
        }
        // A sample may say a little too much where organisations' work is nearly all there is.
        if tenants_cpu_us > total.cpu_us {
            let shrink = total.cpu_us as f64 / tenants_cpu_us as f64;
            lines.iter_mut().for_each(|(line, _)| line.usage.cpu_us = (line.usage.cpu_us as f64 * shrink) as u64);
            tenants_cpu_us = lines.iter().map(|(line, _)| line.usage.cpu_us).sum();
        }
        // All that was in no organisation's work.
        platform.cpu_us = total.cpu_us.saturating_sub(tenants_cpu_us);
        lines.push((Line { tenant: PLATFORM, day: since.date_naive(), usage: platform }, None));
        Taken { lines, total, cpu_part }
    }

    fn give_back(&self, taken: Taken, error: DbError) -> DbError {
        for (line, account) in taken.lines {
            match account {
                Some(account) => account.put_back(&line.usage, taken.cpu_part),
                // The platform's CPU time is reckoned anew.
                None => self.meter().platform().put_back(&Usage { cpu_us: 0, ..line.usage }, 1.0),
            }
        }
        self.meter().process().put_back(&Usage { cpu_us: 0, ..taken.total }, 1.0);
        error
    }

    /// Reads what the servers counted: rows since the last time, and the size of databases that changed. For one process at a
    /// time; the first reading of a database counts no rows.
    pub async fn measure_databases(&self) -> Result<(), DbError> {
        let places = self.tenant_places().await?;
        let mut clusters: Vec<String> = places.iter().map(|(_, cluster, _)| cluster.clone()).collect();
        clusters.push(crate::HOME_CLUSTER.to_owned());
        clusters.sort_unstable();
        clusters.dedup();
        let owners: HashMap<(&str, &str), TenantId> = places
            .iter()
            .filter_map(|(place, cluster, name)| Some(((cluster.as_str(), name.as_str()), place.tenant()?)))
            .collect();
        let mut rows: HashMap<Option<TenantId>, u64> = HashMap::new();
        let mut bytes: HashMap<TenantId, i64> = HashMap::new();
        for cluster in &clusters {
            match self.measure_cluster(cluster).await {
                Ok(measured) => {
                    for (counter, fresh) in measured {
                        let owner = owners.get(&(cluster.as_str(), counter.name.as_str())).copied();
                        *rows.entry(owner).or_default() += fresh;
                        if let Some(id) = owner {
                            *bytes.entry(id).or_default() += counter.bytes;
                        }
                    }
                }
                Err(error) => tracing::warn!(cluster, %error, "a cluster cannot be measured; the others are"),
            }
        }
        self.book_rows(&rows, &bytes).await
    }

    async fn measure_cluster(&self, cluster: &str) -> Result<Vec<(Counter, u64)>, DbError> {
        const COUNT: &str =
            "select datname::text, tup_returned + tup_fetched + tup_inserted + tup_updated + tup_deleted
            from pg_stat_database where datname = $1 or starts_with(datname::text, $1 || '_')";
        const SIZES: &str = "select datname::text, pg_database_size(oid) from pg_database where datname = any ($1)";
        let mut control = self.control().await?;
        let before = usage::counters(&mut control, cluster).await?;
        control.release();
        let before: HashMap<String, Counter> =
            before.into_iter().map(|counter| (counter.name.clone(), counter)).collect();
        let mut admin = self.maintenance(cluster).await?;
        let counted: Vec<(String, i64)> =
            sqlx::query_as(COUNT).bind(&self.0.settings.control).fetch_all(&mut *admin).await?;
        let changed: Vec<&str> = counted
            .iter()
            .filter(|(name, rows)| before.get(name).is_none_or(|counter| counter.rows != *rows))
            .map(|(name, _)| name.as_str())
            .collect();
        let sizes: Vec<(String, i64)> = sqlx::query_as(SIZES).bind(&changed).fetch_all(&mut *admin).await?;
        admin.release();
        let sizes: HashMap<String, i64> = sizes.into_iter().collect();
        let measured: Vec<(Counter, u64)> = counted
            .into_iter()
            .map(|(name, rows)| {
                let earlier = before.get(&name);
                // A server that lost its counters begins anew.
                let fresh = earlier.map_or(0, |earlier| if rows < earlier.rows { rows } else { rows - earlier.rows });
                let bytes = sizes.get(&name).copied().or(earlier.map(|earlier| earlier.bytes)).unwrap_or_default();
                (Counter { name, rows, bytes }, fresh.unsigned_abs())
            })
            .collect();
        let counters: Vec<Counter> = measured.iter().map(|(counter, _)| counter.clone()).collect();
        let mut control = self.control().await?;
        usage::keep_counters(&mut control, cluster, &counters, self.0.clock.now()).await?;
        control.release();
        Ok(measured)
    }

    async fn book_rows(
        &self,
        rows: &HashMap<Option<TenantId>, u64>,
        bytes: &HashMap<TenantId, i64>,
    ) -> Result<(), DbError> {
        let now = self.0.clock.now();
        let (mut lines, mut total, mut storage) = (Vec::new(), Usage::default(), Vec::new());
        for (owner, rows) in rows.iter().filter(|(_, rows)| **rows > 0) {
            let day = self.day_there(*owner, now).await;
            let usage = Usage { rows: *rows, ..Usage::default() };
            lines.push(Line { tenant: owner.map_or(PLATFORM, |id| id.0), day, usage });
            total.rows += rows;
        }
        for (id, bytes) in bytes {
            storage.push((*id, self.day_there(Some(*id), now).await, *bytes));
        }
        let minute = now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now);
        let mut conn = self.control().await?;
        usage::add(&mut conn, minute, &lines, PLATFORM, &total).await?;
        usage::set_storage(&mut conn, &storage, now).await?;
        conn.release();
        Ok(())
    }

    async fn day_there(&self, tenant: Option<TenantId>, now: DateTime<Utc>) -> NaiveDate {
        match tenant {
            Some(id) => self.describe(id).await.map_or(now.date_naive(), |tenant| day_of(now, tenant.time_zone).0),
            None => now.date_naive(),
        }
    }

    /// All plans, the smallest first.
    pub async fn plans(&self) -> Result<Vec<Plan>, DbError> {
        plan::list(&mut *self.control().await?).await
    }

    /// Gives the organisation another plan, in a transaction of the caller's; false when it has that one already.
    pub async fn set_plan(&self, conn: &mut PgConnection, id: TenantId, plan: &str) -> Result<bool, DbError> {
        plan::change(conn, id, plan).await
    }

    /// Says how many users the organisation has, in the transaction that changed it.
    pub async fn set_users(&self, conn: &mut PgConnection, id: TenantId, users: i64) -> Result<(), DbError> {
        usage::set_users(conn, id, users).await
    }

    /// The organisation's days from `first` on.
    pub async fn usage_days(&self, id: TenantId, first: NaiveDate) -> Result<Vec<Day>, DbError> {
        usage::days(&mut *self.control().await?, id, first).await
    }

    /// Notes limits that come near, in a transaction that also tells of them.
    pub async fn note_near_limits(&self, conn: &mut PgConnection) -> Result<Vec<Near>, DbError> {
        usage::note_near(conn, self.0.clock.now()).await
    }

    /// Removes old lines of the ledger.
    pub async fn forget_usage(&self) -> Result<u64, DbError> {
        usage::forget_old(&mut *self.control().await?, self.0.clock.now()).await
    }
}

/// What was taken from the accounts, to be booked or given back.
struct Taken {
    lines: Vec<(Line, Option<Arc<Account>>)>,
    total: Usage,
    cpu_part: f64,
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
