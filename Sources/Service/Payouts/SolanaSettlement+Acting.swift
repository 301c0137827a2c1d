import Chains
import Clearing
import Logging
import Primitives
import Storage
import Synchronization

/// From the books to the payout manager, and back.
extension SolanaSettlement {
    /// After so many records a state takes their place.
    private static let recordsKept: Int64 = 2_000
    /// How long after a table could not be made it is tried again.
    private static let tableRetry = Duration.seconds(10)

    func drive() async {
        do throws(SolanaManagerDriverError) {
            try await driver.run()
        } catch {
            log.critical(
                "what Solana's payouts need cannot be written down: none are sent any more",
                metadata: ["why": "\(error)"])
        }
    }

    func act() async {
        var replaced: Int64 = 0
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(250))
            do {
                try await follow()
                await tryTables()
                try await bookCosts()
                try await keepNonces()
                let made = records.lastNumber - firstRecord
                let isFirst = try await mayForgetFirst()
                if isFirst || made - replaced >= Self.recordsKept {
                    try await forget()
                    let (bytes, count) = try await driver.state()
                    try await records.replace(upTo: firstRecord + Int64(count), with: bytes)
                    replaced = Int64(count)
                }
            } catch {
                if error as? SolanaManagerDriverError == .stopped { return }
                metrics.chainFailed()
                log.warning("Solana's payouts wait", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: .seconds(2))
            }
        }
    }

    /// How many payouts are not over.
    public var openPayouts: Int { driver.openPayouts }

    /// How many of them have been on their way for long.
    public var unknownPayouts: Int { notes.unknownCount }

    /// A payment that is still to be made, and where its party would have it now.
    private struct Due: Sendable {
        let dispersal: Dispersal
        let place: Int
        let wanted: Digest?
    }

    private func due() async throws -> [Due] {
        try await sequencer.read { house in
            house.openDispersals.filter { $0.rail == .solana }.flatMap { dispersal in
                dispersal.payments.indices.filter { dispersal.payments[$0].state.isOpen }.map {
                    Due(
                        dispersal: dispersal, place: $0,
                        wanted: house.party(dispersal.payments[$0].party)?.payout.solana)
                }
            }
        }
    }

    /// Hands over what is new and books what is over.
    private func follow() async throws {
        var notes: [Command] = []
        for one in try await due() {
            let payment = one.dispersal.payments[one.place]
            let id = driver.id(of: one.dispersal, payment: one.place)
            guard case .solana(let owner) = payment.receiver else { continue }
            func note(_ note: PaymentNote) {
                notes.append(
                    .notePayment(one.dispersal.id, payment: UInt32(one.place), note))
            }
            switch driver.status(of: id) {
            case .absent:
                guard let amount = UInt64(exactly: payment.units) else { continue }
                self.notes.name(id, "payment \(one.place) of dispersal \(one.dispersal.id)")
                try await driver.submit(
                    SolanaPayout(id: id, to: SolanaAddress(owner), amount: amount))
            case .closed(.settled(let transaction, _)): note(.paid(transaction))
            case .closed(.cancelled): note(.returned)
            case .quarantined:
                if payment.state == .due { note(.quarantined) }
                // Its party has named another account, or none: it is paid anew from the books.
                if one.wanted != owner { try await driver.cancel(id) }
            case .waiting, .inFlight, .closed: continue
            }
        }
        for start in stride(from: 0, to: notes.count, by: 1_000) {
            _ = try await sequencer.submit(
                batch: Array(notes[start..<min(start + 1_000, notes.count)]))
        }
    }

    // MARK: Durable nonces

    /// How many durable nonces payments use.
    public var nonceCount: Int { state.withLock { $0.nonces.count } }

    /// Nonces are looked at every second until all is as it should be, and then every minute; once
    /// only if there are to be none, and there are none.
    private func keepNonces() async throws {
        let isTime = state.withLock { state in
            guard let next = state.nextNonces, ContinuousClock.now >= next else { return false }
            state.nextNonces = ContinuousClock.now + .seconds(1)
            return true
        }
        guard isTime else { return }
        let round = try await nonces.look(inUse: driver.noncesInUse)
        if round.usable != state.withLock({ $0.nonces }) {
            try await driver.use(nonces: round.usable)
        }
        state.withLock { state in
            state.nonces = round.usable
            if round.isSettled {
                state.nextNonces = round.usable.isEmpty ? nil : ContinuousClock.now + .seconds(60)
            }
        }
    }

    // MARK: Lookup tables

    /// Payouts and their costs do not wait for a table, which only makes them cheaper.
    private func tryTables() async {
        do {
            try await keepTables()
            state.withLock { $0.tableTrouble = nil }
        } catch {
            let isNews = state.withLock { state in
                defer { state.tableTrouble = "\(error)" }
                state.nextTables = ContinuousClock.now + Self.tableRetry
                return state.tableTrouble != "\(error)"
            }
            if isNews {
                log.warning("lookup tables on Solana wait", metadata: ["why": "\(error)"])
            }
        }
    }

    private func keepTables() async throws {
        let (mint, program) = (mint, program)
        func account(_ owner: Digest) -> SolanaAddress {
            .tokenAccount(of: SolanaAddress(owner), mint: mint, program: program)
        }
        let due = try await due().compactMap { one -> Digest? in
            guard case .solana(let owner) = one.dispersal.payments[one.place].receiver else {
                return nil
            }
            return owner
        }
        let owners = try await sequencer.read { house in
            house.parties.compactMap(\.payout.solana)
        }
        guard isTimeForTables(owners.isEmpty, await tables.hasTables) else { return }
        let round = try await tables.look(wanted: owners.map(account), due: due.map(account))
        let isNews = state.withLock { state in
            defer { state.tables = round.usable }
            return state.tables != round.usable
        }
        if isNews { try await driver.use(round.usable) }
    }

    /// Tables are looked at every second, and not at all as long as nobody is paid here and none is
    /// left whose rent could come back.
    private func isTimeForTables(_ isIdle: Bool, _ hasTables: Bool) -> Bool {
        state.withLock { state in
            if isIdle, !hasTables { return false }
            let now = ContinuousClock.now
            guard now >= state.nextTables else { return false }
            state.nextTables = now + .seconds(1)
            return true
        }
    }
}
