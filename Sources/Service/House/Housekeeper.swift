import Clearing
import Cryptography
import Economics
import Foundation
import Logging
public import Primitives
import Storage
import Transport

/// What has to happen by itself as time passes: due things, audits, epochs, batches, forgetting.
struct Housekeeper: Sendable {
    let sequencer: Sequencer
    let settlement: SettlementService?
    let payouts: PayoutDesk?
    let hub: NodeHub
    let evidence: EvidenceStore
    let weights: WeightChecks
    let paces: PaceBook
    let auditInterval: Duration
    let weightInterval: Duration
    /// How often what was measured is booked.
    let measureInterval: Duration
    let settlesByItself: Bool
    /// How long evidence of final jobs is kept, in seconds.
    let evidenceSeconds: Int64
    /// How long nothing is closed as overdue after the start.
    let gracePeriod: Duration
    let log: Logger

    private struct Look: Sendable {
        let isDue: Bool
        let undrawn: Int
        let isEpochOver: Bool
        let canCut: Bool
    }

    /// Something that is done every so often.
    private struct Pace {
        let interval: Duration
        var next: ContinuousClock.Instant

        init(_ interval: Duration) {
            self.interval = interval
            next = .now + interval
        }

        mutating func isDue() -> Bool {
            guard ContinuousClock.now >= next else { return false }
            next = .now + interval
            return true
        }
    }

    /// Works until the task is cancelled.
    func run() async {
        var draws = Pace(auditInterval)
        var proofs = Pace(weightInterval)
        var measures = Pace(measureInterval)
        var reminders = Pace(.seconds(30))
        var forgetting = Pace(.seconds(60))
        var settlements = Pace(.seconds(1))
        var wantsBatch = false
        var complaints: ContinuousClock.Instant?
        // After a pause of the house nodes need a moment to come back and answer what is overdue.
        let firstPulse = ContinuousClock.now + gracePeriod
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(100))
            if let look = await look() {
                if look.isDue, ContinuousClock.now >= firstPulse { await submit(.pulse) }
                if draws.isDue(), look.undrawn > 0 {
                    await submit(.drawAudits(beacon: await beacon()))
                }
                if look.isEpochOver {
                    await submit(.closeEpoch)
                    wantsBatch = true
                }
                if wantsBatch, look.canCut, settlements.isDue() {
                    let why = await settle()
                    wantsBatch = why != nil
                    if let why { complain(why, &complaints) } else { complaints = nil }
                }
            }
            if proofs.isDue() { await weights.ask(beacon: await beacon()) }
            await weights.closeOverdue()
            if measures.isDue() { await measure() }
            if reminders.isDue() { await remind() }
            if forgetting.isDue() { await forget() }
        }
    }

    /// The command that settles.
    func settling() async throws(PayoutDesk.Failure) -> Clearing.Command {
        try settlement?.requireCover()
        guard let payouts else { return .cutBatch }
        return try await payouts.settlement()
    }

    /// Settles; why it waits, if it does.
    private func settle() async -> String? {
        do throws(PayoutDesk.Failure) {
            await submit(try await settling())
            return nil
        } catch {
            return switch error {
            case .rejected(let rejection): rejection.message
            case .unavailable(let why): why
            }
        }
    }

    /// Says why nothing is settled, and again as long as that lasts.
    private func complain(_ why: String, _ last: inout ContinuousClock.Instant?) {
        if let last, last + .seconds(300) > .now { return }
        log.log(
            level: last == nil ? .warning : .error, "settlement waits", metadata: ["why": "\(why)"])
        last = .now
    }

    private func look() async -> Look? {
        let now = Timestamp.systemNow
        let settles = settlesByItself
        return try? await sequencer.read { house in
            let length = house.parameters?.epochLength ?? .seconds(0)
            return Look(
                isDue: house.nextDeadline.map { $0 <= now } ?? false,
                undrawn: house.undrawnCount,
                isEpochOver: settles && house.parameters != nil
                    && house.epochStartedAt + length <= now,
                canCut: house.batches.last.map { $0.state == .confirmed } ?? true)
        }
    }

    /// Something nobody could know when the receipts were signed. Random bytes of this house, so
    /// that a provider cannot foresee it, and the chain's newest block, so that the house alone
    /// cannot have chosen it long before.
    private func beacon() async -> Digest {
        let block = await settlement?.newestBlock()
        return SHA256.hash(Entropy.bytes(32) + (block?.bytes ?? []))
    }

    /// Tells auditors again what they owe: an event can be lost with a connection.
    private func remind() async {
        let owed = try? await sequencer.read { house in
            house.nodes.filter { $0.openAudits > 0 && $0.online }.flatMap { node in
                house.audits(of: node.id).map { (node.key, $0) }
            }
        }
        for (key, job) in owed ?? [] { hub.send(House.audit(job), to: key) }
    }

    /// Books what was measured and is news.
    private func measure() async {
        let news = try? await sequencer.read { house in
            paces.news(for: house) { hub.roundTrip(of: $0) }
        }
        if let news, !news.isEmpty { await submit(.recordMeasures(news)) }
    }

    private func forget() async {
        guard
            let first =
                (try? await sequencer.read { house in
                    house.openJobs.first?.id ?? JobID(UInt64(house.jobs.count) + 1)
                })
        else { return }
        do throws(JournalError) {
            while try await evidence.forget(olderThan: evidenceSeconds, before: first) == 1_000 {}
        } catch {
            log.warning("old evidence stays", metadata: ["why": "\(error)"])
        }
    }

    private func submit(_ command: Command) async {
        guard let outcome = try? await sequencer.submit(command) else { return }
        switch outcome {
        case .success: return
        // There is nothing to do yet: no news.
        case .failure(.nothingToSettle), .failure(.batchOpen), .failure(.beaconReused): return
        case .failure(let rejection):
            log.warning("housekeeping was refused", metadata: ["rejection": "\(rejection)"])
        }
    }
}

extension Timestamp {
    /// The operating system's time.
    public static var systemNow: Timestamp {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(
            nanoseconds: UInt64(max(time.tv_sec, 0)) * 1_000_000_000 + UInt64(time.tv_nsec))
    }
}
