import Chains
public import Clearing
import Logging
public import Primitives
import Synchronization

/// Why a dispersal is not given back. Nothing was changed.
public enum ReturnError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The books refuse.
    case rejected(Rejection)
    /// The chain does not say that it can never be made.
    case notProven(String)
    /// Too few nodes agree, or the books do not answer.
    case unavailable(String)

    /// What is wrong, in a sentence without its full stop.
    public var description: String {
        switch self {
        case .rejected(let rejection): "\(rejection)"
        case .notProven(let why): "it may be made yet: \(why)"
        case .unavailable(let why): "the chain does not tell: \(why)"
        }
    }
}

/// Dispersals whose names something else has used up: a thief with the payer's key, or books that
/// lost their end. The contract takes each name once, so they can never be made. Whether their
/// payees were paid by what the books lost, only a person can know: so a person gives them back.
extension SettlementService {
    /// Gives what an open dispersal reserves back to its payees. The transaction has used its name
    /// up, in a block whose logs are booked, and pays something else.
    public func returnDispersal(
        _ id: DispersalID, usedBy transaction: Digest
    ) async throws(ReturnError) {
        let pushed = try await books { house throws(Rejection) in
            guard let dispersal = house.dispersal(id) else { throw .dispersalNotFound }
            guard dispersal.isOpen, let pushed = PushedDispersal(dispersal, house) else {
                throw .wrongPaymentState
            }
            return pushed
        }
        try await prove(pushed, transaction)
        let outcome: Sequencer.Outcome
        do throws(SequencerError) {
            outcome = try await sequencer.submit(.returnDispersal(id))
        } catch {
            throw .unavailable("\(error)")
        }
        if case .failure(let rejection) = outcome { throw .rejected(rejection) }
        log.critical(
            "a person has given back a dispersal whose name something else has used up",
            metadata: ["dispersal": "\(id)", "transaction": "0x\(transaction.hex)"])
    }

    /// Throws if the chain does not say that a transaction has used a dispersal's name up and paid
    /// something else.
    private func prove(
        _ pushed: PushedDispersal, _ transaction: Digest
    ) async throws(ReturnError) {
        let name = pushed.dispersal.name
        if case .wait = look(at: SettlementOrder.key(ofDispersal: name)).step {
            throw .notProven("a transaction of it is on its way")
        }
        guard !isHalted, let booked = state.withLock({ $0.watchedTo }) else {
            throw .unavailable("the chain's logs are not booked")
        }
        do {
            let used = try await reader.dispersed(in: transaction)
            guard used.block <= booked else {
                throw ReturnError.notProven("that transaction's block is not deep enough")
            }
            guard used.names.contains(UsedName(account: pushed.payer, name: name)) else {
                throw ReturnError.notProven("that transaction has not used its name")
            }
            if try await isMade(pushed.dispersal, by: transaction) {
                throw ReturnError.notProven("that transaction pays just what it pays")
            }
        } catch let error as ReturnError {
            throw error
        } catch {
            throw .unavailable("\(error)")
        }
    }

    private func books<Value: Sendable>(
        _ read: @escaping @Sendable (borrowing ClearingHouse) throws(Rejection) -> Value
    ) async throws(ReturnError) -> Value {
        let found: Result<Value, Rejection>
        do throws(SequencerError) {
            found = try await sequencer.read { house in
                do throws(Rejection) {
                    return .success(try read(house))
                } catch {
                    return .failure(error)
                }
            }
        } catch {
            throw .unavailable("\(error)")
        }
        do throws(Rejection) {
            return try found.get()
        } catch {
            throw .rejected(error)
        }
    }
}
