import Chains
import Clearing
import Logging
import Primitives

/// What the chain says: the contract's logs become commands.
extension SettlementService {
    func watch() async {
        guard var cursor = await bookedCursor() else { return }
        var complained = false
        while !Task.isCancelled {
            do throws(ChainError) {
                let page = try await watcher.read(from: cursor)
                complained = false
                if await book(page.records) {
                    cursor = page.cursor
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
        let commands = records.compactMap { command(for: $0) }
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
        case .success: metrics.bookedLog()
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
        halt(
            "a final block is gone from the chain: settlement stops, a person decides",
            ["block": "\(block)"])
    }

    private func command(for record: ChainRecord) -> Command? {
        // Anybody may disperse through the contract what is its own.
        if case .dispersed(let sender, _, _, _) = record.event, sender != payer?.account {
            return nil
        }
        guard let observation = ChainObservation(record.event, usd: usd, tly: tly) else {
            log.error("a claim of an unknown token", metadata: ["log": "\(record.event)"])
            return nil
        }
        let place = record.reference
        return .observeChain(
            Clearing.ChainReference(
                chain: place.chainID, block: place.blockNumber,
                logIndex: UInt32(clamping: place.logIndex), blockHash: place.blockHash,
                transaction: place.transaction), observation)
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
