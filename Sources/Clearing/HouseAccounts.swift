public import Ledger
public import Primitives

/// What an account is for. Each account has one owner, one asset and one purpose, and its id is
/// made of the three, so that no map from owner to account is needed.
public enum Purpose: UInt8, CaseIterable, Hashable, Sendable {
    /// What its owner may spend.
    case available = 1
    /// A provider's bond.
    case bonded = 2
    /// Bond on its way out; still slashable.
    case unbonding = 3
    /// The house's: money of delivered jobs in their challenge window.
    case escrow = 4
    /// Earned, waiting for the next settlement batch.
    case payable = 5
    /// In a committed batch, waiting to be claimed on chain.
    case inTransit = 6
    /// The house's: fees earned.
    case fee = 7
    /// The house's: penalties to be burned on chain.
    case burn = 8
    /// The house's: the part of penalties that insures buyers.
    case insurance = 9
    /// The house's: captured bonds under appeal are pending into this account.
    case captured = 10
    /// The house's: incentive tokens are emitted from here.
    case emission = 11
    /// The house's mirror of the contract on chain: its debits are what came in, its credits what
    /// went out.
    case chain = 12
    /// The house's, in a chain's own coin: what it charged for transactions.
    case networkCost = 13

    /// Whether the account belongs to the house and may be overdrawn by design: the mirror of the
    /// chain and the source of emission.
    var isSource: Bool { self == .chain || self == .emission }
}

/// Why money moved: the `code` of a ledger transfer. Numbers are stable for ever.
public enum TransferReason: UInt16, CaseIterable, Hashable, Sendable {
    /// A deposit was credited.
    case deposit = 1
    /// A bond was credited.
    case bond = 2
    /// A buyer's money is held for a job.
    case hold = 3
    /// The used part of a hold went to escrow.
    case delivery = 4
    /// The unused hold went back.
    case release = 5
    /// A stage was paid.
    case payout = 6
    /// The house's fee.
    case fee = 7
    /// Escrow went back to the buyer.
    case refund = 8
    /// A verifier was paid for an audit.
    case auditFee = 9
    /// Bond was captured or taken.
    case capture = 10
    /// A verifier's bounty for a conviction.
    case bounty = 11
    /// The burned part of a penalty.
    case burn = 12
    /// The insured part of a penalty.
    case insurance = 13
    /// Bond started to leave.
    case unbond = 14
    /// Bond left.
    case bondWithdrawal = 15
    /// A party put money aside for settlement.
    case withdrawal = 16
    /// Payable money entered a batch.
    case settlement = 17
    /// A payee claimed on chain.
    case claim = 18
    /// Incentive tokens were emitted.
    case emission = 19
    /// A burned penalty left the contract.
    case burnSettlement = 20
    /// Payable money is to be sent.
    case dispersal = 21
    /// A payee was sent its money; its claim is the payer's.
    case reimbursement = 22
    /// A payment was given up; its money is payable again.
    case payoutReturn = 23
    /// Earned money went to the same party's spending, or against its debt.
    case netting = 24
    /// A chain charged for a transaction.
    case networkCost = 25
    /// What a log had moved was moved back: a reorganisation took the log out of the chain.
    case reversal = 26
    /// Bond of a slash that came to nothing on chain went back.
    case slashRelease = 27
    /// Payable money was promised by a voucher.
    case voucher = 28
    /// A payee claimed what it was promised; its claim on the house is the payer's.
    case voucherClaim = 29
    /// A chain gave back rent that it had charged.
    case rentReturn = 30
    /// A deposit or bond paid back what the house had advanced for one of before.
    case repayment = 32
    /// Whoever pays on Solana was sent dollars there, and sold its claim for them.
    case depositSale = 33
}

extension AccountID {
    /// The account of this owner (party 0 is the house), purpose and asset.
    public init(_ purpose: Purpose, _ asset: Asset, of owner: PartyID = .none) {
        self.init(
            UInt128(purpose.rawValue) << 120 | UInt128(asset.rawValue) << 64
                | UInt128(owner.rawValue))
    }

    /// What the account is for, or `nil` if this is not one of the house's ids.
    public var purpose: Purpose? { Purpose(rawValue: UInt8(truncatingIfNeeded: value >> 120)) }
    /// What it is counted in.
    public var asset: Asset? { Asset(rawValue: UInt32(truncatingIfNeeded: value >> 64)) }
    /// Whose it is; `.none` is the house.
    public var owner: PartyID { PartyID(UInt64(truncatingIfNeeded: value)) }
}
