import Chains
import Clearing
import Logging
import Primitives
import Storage
import Synchronization

/// Why the books could not be reversed. Nothing was changed by the call that threw it, or what was
/// reversed before it is right by itself.
public enum ReversalError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Settlement is not halted for a block that is gone.
    case notHalted
    /// Too few nodes agree on what the chain holds now.
    case chainUnclear(String)
    /// The journal could not be read, or did not take it.
    case books(String)

    /// What is wrong, in a sentence without its full stop.
    public var description: String {
        switch self {
        case .notHalted: "no booked block is missing from the chain"
        case .chainUnclear(let why): "the nodes do not agree on the chain: \(why)"
        case .books(let why): "the books could not be reversed: \(why)"
        }
    }
}

/// A reorganisation below the required depth: what it took out of the chain is taken out of the
/// books by entries, when a person has looked and said so.
extension SettlementService {
    /// A log in the books.
    struct BookedLog: Sendable {
        let reference: Clearing.ChainReference
        let observation: ChainObservation
    }

    /// Reverses every log whose block the chain no longer has, from the last one down, and goes on.
    /// O(journal). How many were reversed.
    public func reverse() async throws(ReversalError) -> Int {
        guard state.withLock({ $0.isHalted && $0.goneBlock != nil }) else { throw .notHalted }
        let booked = try bookedLogs()
        var kept = booked.count
        while kept > 0, try await isGone(booked[kept - 1].reference) { kept -= 1 }
        // What was found may be gone from the chain with the rest: it is searched for anew, and
        // what moved at the payer's account read again behind the last log that is still there.
        // First, since nothing says so any more once the logs are reversed.
        let none = StrayTransfers(reader, from: startBlock)
        let fork = kept > 0 ? booked[kept - 1].reference.block.saturatingSum(1) : startBlock
        do {
            try await save(none)
            try await payerWatch?.rewind(to: fork)
        } catch { throw .books("\(error)") }
        for place in stride(from: booked.count - 1, through: kept, by: -1) {
            let log = booked[place]
            let command = Command.reverseChain(
                log.reference, log.observation,
                previous: place > 0 ? booked[place - 1].reference : nil)
            let outcome: Sequencer.Outcome
            do throws(SequencerError) {
                outcome = try await sequencer.submit(command)
            } catch {
                throw .books("\(error)")
            }
            if case .failure(let rejection) = outcome { throw .books("\(rejection)") }
            self.log.critical(
                "a log is no longer in the chain and was reversed in the books",
                metadata: [
                    "block": "\(log.reference.block)", "log": "\(log.observation)",
                ])
        }
        state.withLock { state in
            for log in booked[kept...] { state.orphans.insert(log.reference.blockHash) }
            state.goneBlock = nil
            state.watchedTo = nil
            state.activeBatch = nil
            state.undisputed = nil
            state.strays = none
            state.isHalted = false
        }
        _ = await resume()
        return booked.count - kept
    }

    /// Whether the chain has another block where a log was booked.
    private func isGone(
        _ reference: Clearing.ChainReference
    ) async throws(ReversalError) -> Bool {
        do {
            let there = try await nodes.agreed { node throws(ChainError) in
                guard let block = try await node.block(reference.block) else {
                    throw .inconsistentNode("block \(reference.block) is not there yet")
                }
                return block.hash
            }
            return there != reference.blockHash
        } catch {
            throw .chainUnclear("\(error)")
        }
    }

    /// The logs in the books, oldest first, without those that were reversed. O(journal).
    private func bookedLogs() throws(ReversalError) -> [BookedLog] {
        var booked: [BookedLog] = []
        do {
            let journal = try liabilities.openJournal()
            defer { try? journal.close() }
            _ = try journal.recover { (batch, entries) throws(JournalError) in
                for (place, entry) in entries.enumerated() {
                    let command: Command
                    do throws(CodecError) {
                        command = try Command(canonicalBytes: entry.command)
                    } catch {
                        throw .undecodable(batch.sequence, command: place, error)
                    }
                    switch command {
                    case .observeChain(let reference, let observation):
                        booked.append(BookedLog(reference: reference, observation: observation))
                    case .reverseChain: _ = booked.popLast()
                    default: continue
                    }
                }
            }
        } catch {
            throw .books("\(error)")
        }
        return booked
    }
}
