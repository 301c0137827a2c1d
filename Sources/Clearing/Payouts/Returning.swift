public import Primitives

/// Dispersals that are given up, and how the chain's logs find theirs.
extension ClearingHouse {
    /// What was planned for an account that no longer sends, and was never sent, goes back to whom
    /// it was taken from. Nobody is blamed: the next settlement pays them as this one would have.
    mutating func returnDispersal(
        _ id: DispersalID, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        guard let record = dispersals.at(id) else { throw .dispersalNotFound }
        guard record.rail == .push, record.isOpen else { throw .wrongPaymentState }
        for place in record.payments.indices where record.payments[place].state.isOpen {
            giveBack(id, place, at: time, into: &events)
        }
        passEndedDispersals()
    }

    /// The dispersal that the contract knows by a name. O(1).
    public func dispersal(named name: Digest) -> Dispersal? {
        index.dispersalByName[name].flatMap(dispersals.at)
    }
}
