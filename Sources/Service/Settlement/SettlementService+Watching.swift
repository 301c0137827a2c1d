import Chains
import Clearing
import Logging
import Primitives
import Synchronization

/// What the chain says: the contract's logs become commands.
extension SettlementService {
    /// Books what the contract logs until the task is cancelled. After a halt it waits until a
    /// person has had the books reversed, and goes on where they are then.
    func watch() async {
        while !Task.isCancelled {
            await watchUntilHalted()
            while isHalted, !Task.isCancelled { try? await Task.sleep(for: pollInterval) }
        }
    }

    private func watchUntilHalted() async {
        guard var cursor = await bookedCursor() else { return }
        var complained = false
        while !Task.isCancelled, !isHalted {
            do throws(ChainError) {
                let page = try await watcher.read(from: cursor) { () throws(ChainError) in
                    try await channelFilters()
                }
                complained = false
                if await book(page.records) {
                    cursor = page.cursor
                    let next = cursor.nextBlock
                    state.withLock { $0.watchedTo = next > 0 ? next - 1 : nil }
                    if page.hasMore { continue }
                }
            } catch {
                metrics.chainFailed()
                if case .deepReorg(let block) = error { return halt(block) }
                if !complained {
                    log.warning("the chain cannot be read", metadata: ["error": "\(error)"])
                }
                complained = true
            }
            try? await Task.sleep(for: pollInterval)
        }
    }

    /// Books a page of logs; false if the house could not take them, so that they come again.
    private func book(_ records: [ChainRecord]) async -> Bool {
        let commands: [Command]
        do {
            let ours = try await ourDispersals(in: records)
            commands = records.enumerated().compactMap { place, record in
                if case .dispersed = record.event, !ours.contains(place) { return nil }
                return command(for: record)
            }
        } catch {
            log.warning("chain logs wait to be booked", metadata: ["why": "\(error)"])
            return false
        }
        for start in stride(from: 0, to: commands.count, by: 1_000) {
            let part = Array(commands[start..<min(start + 1_000, commands.count)])
            do throws(SequencerError) {
                for (command, outcome) in zip(part, try await sequencer.submit(batch: part)) {
                    note(command, outcome)
                }
            } catch {
                log.warning("chain logs wait to be booked", metadata: ["why": "\(error)"])
                return false
            }
        }
        return true
    }

    private func note(_ command: Command, _ outcome: Sequencer.Outcome) {
        switch outcome {
        case .success(let events):
            metrics.bookedLog()
            tell(events)
        // Read again after a restart.
        case .failure(.chainEventReplayed): return
        case .failure(let rejection):
            metrics.refusedLog()
            log.error(
                "a chain log was refused",
                metadata: ["rejection": "\(rejection)", "log": "\(command)"])
        }
    }

    private func halt(_ block: UInt64) {
        state.withLock { $0.goneBlock = block }
        halt(
            "a final block is gone from the chain: settlement stops, a person decides",
            ["block": "\(block)"])
    }

    /// The house's dispersals whose names are in logs.
    private func dispersals(
        in records: [ChainRecord]
    ) async throws(SequencerError) -> [Digest: PushedDispersal] {
        let names = records.compactMap { record -> Digest? in
            if case .dispersed(_, let name, _, _) = record.event { name } else { nil }
        }
        if names.isEmpty { return [:] }
        return try await sequencer.read { house in
            var found: [Digest: PushedDispersal] = [:]
            for name in names {
                found[name] = house.dispersal(named: name).flatMap { PushedDispersal($0, house) }
            }
            return found
        }
    }

    private func command(for record: ChainRecord) -> Command? {
        tell(record.event)
        guard let observation = ChainObservation(record.event, usd: usd, tly: tly) else {
            if case .claimed = record.event {
                log.error("a claim of an unknown token", metadata: ["log": "\(record.event)"])
            }
            return nil
        }
        let place = record.reference
        if case .channelMoved(let channel, .deposited(let units)) = observation {
            payerWatch?.note(deposit: units, in: channel, at: place)
        }
        return .observeChain(
            Clearing.ChainReference(
                chain: place.chainID, block: place.blockNumber,
                logIndex: UInt32(clamping: place.logIndex), blockHash: place.blockHash,
                transaction: place.transaction), observation)
    }

    /// The places of those logs that are dispersals of the books: made by the payer, to the same
    /// payees. Anybody may disperse through the contract what is its own, under any name. The
    /// account may be one of before: what it has signed counts whoever sends today.
    ///
    /// Books that lost their end use its numbers again, and so the names made of them: those are
    /// used up on chain, by payments to others. So what a transaction paid is looked up.
    private func ourDispersals(in records: [ChainRecord]) async throws -> Set<Int> {
        let known = try await dispersals(in: records)
        var ours: Set<Int> = []
        for (place, record) in records.enumerated() {
            guard case .dispersed(let sender, let name, let token, let count) = record.event else {
                continue
            }
            guard let own = known[name] else {
                if sender == payer?.account { tellOfAnother(name, record) }
                continue
            }
            guard own.payer == sender else { continue }
            if token == self.token(of: own.dispersal.asset),
                count == own.dispersal.payments.count,
                try await isMade(own.dispersal, by: record.reference.transaction)
            {
                ours.insert(place)
            } else {
                tellOfAnother(name, record)
            }
        }
        return ours
    }

    /// Whether a transaction pays whom a dispersal of the books pays, as enough nodes tell it. What
    /// stands behind the arguments is not the contract's.
    func isMade(_ dispersal: Dispersal, by transaction: Digest) async throws -> Bool {
        let call = try order(of: dispersal, under: nil).callData(artifact)
        let made = try await nodes.agreed { node throws(ChainError) in
            try await node.callData(of: transaction)
        }
        return made.starts(with: call)
    }

    private func tellOfAnother(_ name: Digest, _ record: ChainRecord) {
        log.critical(
            """
            the payer has made a dispersal that is not in the books by this name: they may have \
            lost their end. Nobody is booked as paid, and a person has to look
            """,
            metadata: [
                "name": "\(name.hex)", "log": "\(record.event)",
                "transaction": "0x\(record.reference.transaction.hex)",
            ])
    }

    /// Where reading goes on: at the block of the last log in the books, which is read again and
    /// booked once. `nil` if the task was cancelled, or the chain has another block there.
    private func bookedCursor() async -> LogCursor? {
        while !Task.isCancelled {
            do {
                let (booked, hash) = try await sequencer.read { ($0.chainCursor, $0.chainBlock) }
                guard booked.any else { return LogCursor(nextBlock: startBlock) }
                let found = try await nodes.agreed { node throws(ChainError) in
                    guard let block = try await node.block(booked.block) else {
                        throw .inconsistentNode("block \(booked.block) is not there yet")
                    }
                    return block.hash
                }
                if found == hash { return LogCursor(nextBlock: booked.block) }
                halt(booked.block)
                return nil
            } catch {
                metrics.chainFailed()
                log.warning("the chain cannot be read", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: .seconds(2))
            }
        }
        return nil
    }
}
