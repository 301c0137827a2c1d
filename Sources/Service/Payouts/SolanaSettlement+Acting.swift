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
    /// How long after an errand came to nothing it is tried again.
    private static let errandRetry = Duration.seconds(10)

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
                await attempt(.tables, "lookup tables on Solana wait", keepTables)
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

    /// A payment that is still to be made, and whether it is better called off.
    private struct Due: Sendable {
        let dispersal: Dispersal
        let place: Int
        let isForsaken: Bool
    }

    private func due() async throws -> [Due] {
        try await sequencer.read { house in
            house.openDispersals.filter { $0.rail == .solana }.flatMap { dispersal in
                dispersal.payments.indices.filter { dispersal.payments[$0].state.isOpen }.map {
                    Due(
                        dispersal: dispersal, place: $0,
                        isForsaken: house.isForsaken(dispersal, payment: $0))
                }
            }
        }
    }

    /// Hands over what is new and books what is over.
    private func follow() async throws {
        let sealed = try await sealing.seal()
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
                // One that was decided since the books were looked at waits for the next ones.
                guard one.dispersal.id.rawValue <= sealed,
                    let amount = UInt64(exactly: payment.units)
                else { continue }
                self.notes.name(id, "payment \(one.place) of dispersal \(one.dispersal.id)")
                try await driver.submit(
                    SolanaPayout(id: id, to: SolanaAddress(owner), amount: amount))
            case .closed(.settled(let transaction, _)): note(.paid(transaction))
            case .closed(.cancelled): note(.returned)
            case .quarantined:
                if payment.state == .due { note(.quarantined) }
                // It is paid anew from the books.
                if one.isForsaken { try await driver.cancel(id) }
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

    // MARK: Errands

    /// Does an errand if it is its time, which it is every second. Payments and their costs do not
    /// wait for it.
    private func attempt(
        _ errand: Errand, _ failure: String, _ body: () async throws -> Void
    ) async {
        let isTime = state.withLock { state in
            let now = ContinuousClock.now
            guard now >= state.errands[errand]?.next ?? now else { return false }
            state.errands[errand, default: Round()].next = now + .seconds(1)
            return true
        }
        guard isTime else { return }
        do {
            try await body()
            state.withLock { $0.errands[errand]?.trouble = nil }
        } catch {
            let isNews = state.withLock { state in
                let before = state.errands[errand]?.trouble
                state.errands[errand] = Round(
                    next: ContinuousClock.now + Self.errandRetry, trouble: "\(error)")
                return before != "\(error)"
            }
            if isNews { log.warning("\(failure)", metadata: ["why": "\(error)"]) }
        }
    }

    /// Says under which books payments are made. Beside everything else: nothing waits for it.
    func sayBooks() async {
        while !Task.isCancelled {
            await attempt(.books, "the books are not said on Solana", books.look)
            try? await Task.sleep(for: .milliseconds(250))
        }
    }

    /// Commits roots to the pool and makes them pay. Beside everything else, as books are said.
    func moveRoots() async {
        guard let pool else { return }
        while !Task.isCancelled {
            await attempt(.pool, "roots on Solana wait", pool.look)
            try? await Task.sleep(for: .milliseconds(250))
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
        // Not at all while nobody is paid here and no table is left whose rent could come back.
        if owners.isEmpty, await !tables.hasTables { return }
        let round = try await tables.look(wanted: owners.map(account), due: due.map(account))
        let isNews = state.withLock { state in
            defer { state.tables = round.usable }
            return state.tables != round.usable
        }
        if isNews { try await driver.use(round.usable) }
    }
}
