import Ledger
public import Primitives

/// Deposits on Solana: who they are credited to, and with what.
extension ClearingHouse {
    mutating func decideDeposits(
        _ command: Command, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        switch command {
        case .registerDepositor(let party, let owner):
            try registerDepositor(party, owner, into: &events)
        case .removeDepositor(let party, let owner):
            try removeDepositor(party, owner, into: &events)
        case .takeDeposits(let payer):
            depositPayer = party(for: payer, at: time, into: &events)
        case .bookDeposit(let transfer): try bookDeposit(transfer, at: time, into: &events)
        default: preconditionFailure("not a command about deposits")
        }
    }

    /// An owner is one party's, the first's that proves that it has the key, until that one gives
    /// it up: a proof is good for ever, and must not take another party's deposits later.
    private mutating func registerDepositor(
        _ party: PartyID, _ owner: Digest, into events: inout [Event]
    ) throws(Rejection) {
        if depositors(of: party).count >= Limits.depositorsPerParty { throw .limitExceeded }
        guard parties.at(party) != nil else { throw .partyNotFound }
        if index.depositors[owner] != nil { throw .depositorTaken }
        index.depositors[owner] = party
        depositors.append(Depositor(owner: owner, party: party))
        events.append(.depositorChanged(party))
    }

    private mutating func removeDepositor(
        _ party: PartyID, _ owner: Digest, into events: inout [Event]
    ) throws(Rejection) {
        guard parties.at(party) != nil else { throw .partyNotFound }
        guard index.depositors[owner] == party else { throw .depositorNotFound }
        index.depositors[owner] = nil
        depositors.removeAll { $0.owner == owner }
        events.append(.depositorChanged(party))
    }

    /// Books what came, each transfer once. It is credited as far as the payer has a claim, at once
    /// or with the command that brings the payer one (`sellClaims`).
    private mutating func bookDeposit(
        _ transfer: TokenTransfer, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        if transfer.units == 0 { throw .invalidAmount }
        guard let party = index.depositors[transfer.owner] else { throw .depositorNotFound }
        let name = Index.TransferName(transfer)
        if index.depositByTransfer[name] != nil { throw .depositBooked }
        if deposits.count - oldestWaitingDeposit >= Limits.waitingDeposits {
            throw .tooManyDeposits
        }
        let id = DepositID(UInt64(deposits.count) + 1)
        index.depositByTransfer[name] = id
        deposits.append(TokenDeposit(id: id, transfer, party: party, bookedAt: time))
        events.append(.depositBooked(id, party, units: transfer.units))
    }

    /// Sells the payer's claim on the contract to those whose deposits wait, in the order in which
    /// they came: `payable` of the payer to `available` of the party. Called after every command,
    /// whatever brought the payer its claim. O(1) while nothing waits or nothing can be sold.
    mutating func sellClaims(at time: Timestamp, into events: inout [Event]) {
        guard let payer = depositPayer else { return }
        let pots = [Purpose.payable, .available].map { AccountID($0, .usd, of: payer) }
        while oldestWaitingDeposit < deposits.count {
            let deposit = deposits[oldestWaitingDeposit]
            var units = deposit.waiting
            // What a payer sent itself it has on either side already.
            if deposit.party != payer {
                units = UInt64(clamping: min(UInt128(units), sellable(by: payer)))
                if units == 0 { return }
                let amount = Asset.usd.amount(chainUnits: UInt128(units)) ?? .zero
                let missing = collect(
                    amount, [], orElse: pots,
                    into: .init(.available, .usd, of: deposit.party), .depositSale,
                    deposit.id.rawValue, at: time)
                precondition(missing.isZero, "what can be sold is there")
                events.append(.depositCredited(deposit.id, deposit.party, amount: amount))
            }
            deposits[deposit.id].credited += units
            if deposits[deposit.id].waiting > 0 { return }
            oldestWaitingDeposit += 1
        }
    }

    /// What a payer has coming from the contract, in whole chain units, less what it owes the
    /// house.
    private func sellable(by payer: PartyID) -> UInt128 {
        let held = balance(.payable, .usd, of: payer) + balance(.available, .usd, of: payer)
        return Asset.usd.chainUnits(held - min(held, parties[payer].payee.debt))
    }
}

extension ClearingHouse {
    /// The deposits that are not credited in full, oldest first. O(1).
    public var waitingDeposits: ArraySlice<TokenDeposit> {
        deposits[min(oldestWaitingDeposit, deposits.count)...]
    }

    /// The deposit that a transfer is; `nil` if it is none. O(1).
    public func deposit(of transfer: TokenTransfer) -> TokenDeposit? {
        index.depositByTransfer[Index.TransferName(transfer)].flatMap(deposits.at)
    }

    /// Whose deposits an owner's transfers are. O(1).
    public func depositor(_ owner: Digest) -> PartyID? { index.depositors[owner] }

    /// The owners that a party has registered, in the order in which it did. O(registered owners).
    public func depositors(of party: PartyID) -> [Digest] {
        depositors.filter { $0.party == party }.map(\.owner)
    }
}

// MARK: The state's bytes

/// What deposits on Solana add to the state: behind everything else, and only when there is any of
/// it, so that a house without has the bytes, and the hash, of before.
extension ClearingHouse {
    var hasDeposits: Bool {
        !depositors.isEmpty || !deposits.isEmpty || depositPayer != nil
    }

    func encodeDeposits(into writer: inout ByteWriter) {
        writer.write(depositPayer)
        writer.write(depositors)
        writer.write(deposits)
    }

    mutating func restoreDeposits(from reader: inout ByteReader) throws(CodecError) {
        depositPayer = try reader.readOptional()
        depositors = try reader.readArray(limit: .max)
        deposits = try reader.readArray(limit: .max)
        guard hasDeposits, depositPayer.map({ parties.at($0) != nil }) ?? true else {
            throw .invalidValue("deposits")
        }
        for depositor in depositors {
            guard parties.at(depositor.party) != nil, index.depositors[depositor.owner] == nil
            else { throw .invalidValue("depositor") }
            index.depositors[depositor.owner] = depositor.party
        }
        for (place, deposit) in deposits.enumerated() {
            let name = Index.TransferName(deposit.transfer)
            guard deposit.id.rawValue == UInt64(place) + 1, parties.at(deposit.party) != nil,
                index.depositByTransfer[name] == nil
            else { throw .invalidValue("deposit") }
            index.depositByTransfer[name] = deposit.id
        }
        // They are credited in order, so all that wait are the last ones.
        oldestWaitingDeposit = deposits.firstIndex { $0.waiting > 0 } ?? deposits.count
        // The first may be credited in part, those behind it not at all.
        guard deposits[oldestWaitingDeposit...].dropFirst().allSatisfy({ $0.credited == 0 }) else {
            throw .invalidValue("credited")
        }
    }
}
