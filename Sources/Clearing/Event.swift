public import Economics
public import Primitives

/// What an accepted command did. Events tell the shell what to act on and readers what changed;
/// they are derived, never journaled: replaying the commands gives the same events.
public enum Event: Hashable, Sendable {
    /// Parameters are in force.
    case configured
    /// A party exists for this address.
    case partyRegistered(PartyID, EVMAddress)
    /// A party has a name.
    case partyNamed(PartyID, name: String)
    /// A node was added.
    case nodeRegistered(NodeID, PartyID)
    /// A node came or went.
    case presenceChanged(NodeID, online: Bool)
    /// New figures of a node are booked.
    case nodeMeasured(NodeID)
    /// A model was registered.
    case modelRegistered(ModelID, root: Digest)
    /// A node may audit a model.
    case verifierEnlisted(NodeID, ModelID)
    /// An API key works from now on.
    case keyIssued(PartyID, hash: Digest)
    /// An API key works no longer.
    case keyRevoked(PartyID, hash: Digest)

    /// An offer is live.
    case offerPosted(OfferID)
    /// An offer ended.
    case offerEnded(OfferID, OfferState)

    /// A job was matched and its money is held.
    case jobHeld(JobID, hold: Amount)
    /// A stage was replaced; this attempt runs now.
    case stageReplaced(JobID, attempt: UInt32)
    /// A node earned a fault that moves no bond.
    case faultNoted(NodeID, code: FaultCode, rung: Rung)
    /// The job was delivered: `cost` is in escrow, the rest of the hold is free.
    case jobDelivered(JobID, cost: Amount)
    /// The job ended uncharged.
    case jobFailed(JobID, FailureReason)
    /// Escrow was paid out.
    case jobPaid(JobID)
    /// Escrow went back to the buyer, wholly or for the guilty stage.
    case jobRefunded(JobID, amount: Amount)

    /// A node is to audit a job.
    case auditAssigned(JobID, NodeID)
    /// A drawn job could not be audited, or its auditor did not answer.
    case auditSkipped(JobID)
    /// A verdict stands on record.
    case verdictRecorded(VerdictID, JobID)
    /// A verifier earned money for an audit.
    case verifierPaid(PartyID, JobID, amount: Amount)
    /// Bond was captured, to be taken when the appeal window ends.
    case bondCaptured(VerdictID, PartyID, amount: Amount)
    /// Captured bond was taken: to be slashed on chain.
    case slashExecuted(VerdictID, PartyID, amount: Amount, burned: Amount)
    /// The accused appealed.
    case appealOpened(VerdictID)
    /// The appeal was decided.
    case appealResolved(VerdictID, upheld: Bool)

    /// Money came in from a chain.
    case deposited(PartyID, asset: Asset, amount: Amount)
    /// Bond came in from a chain.
    case bonded(PartyID, amount: Amount)
    /// Bond is on its way out.
    case unbonding(PartyID, amount: Amount)
    /// Bond left.
    case bondWithdrawn(PartyID, amount: Amount)
    /// The chain paid out, or did not take, what the books cannot find with the party: the house
    /// has lost this much, and a person must make it good.
    case bondShortfall(PartyID, amount: Amount)
    /// A slash is final on chain.
    case slashSettled(PartyID, amount: Amount)
    /// Money was put aside for the next settlement.
    case withdrawn(PartyID, asset: Asset, amount: Amount)
    /// A payee took its money on chain.
    case claimed(PartyID, asset: Asset, amount: Amount)

    /// An epoch ended and its emission was allotted.
    case epochClosed(EpochID, emitted: Amount)
    /// A batch was cut.
    case batchCut(BatchID)
    /// A batch has its root.
    case batchSealed(BatchID, root: Digest)
    /// A batch is final on chain.
    case batchConfirmed(BatchID)

    /// A settlement was planned; its number from 1.
    case settlementPlanned(UInt64)
    /// Payments are to be sent.
    case dispersalMade(DispersalID)
    /// A root of a pool on Solana is at another stage; its last epoch.
    case poolRootMoved(DispersalID, PoolRoot.Stage, epoch: UInt64)
    /// It is fixed under which books these dispersals are made.
    case dispersalsSealed(DispersalID, DispersalID)
    /// A party was sent its money.
    case paymentMade(DispersalID, PartyID, asset: Asset, amount: Amount)
    /// A party cannot be sent its money now.
    case paymentQuarantined(DispersalID, PartyID)
    /// A payment will not be made; its money is payable again.
    case paymentReturned(DispersalID, PartyID, asset: Asset, amount: Amount)
    /// A party said how it is paid.
    case payoutSet(PartyID)
    /// What a chain charged is booked.
    case costBooked(ChainCost.Subject, NativeCoin, units: UInt128)
    /// A batch's root was disputed on chain: it never pays.
    case batchDisputed(BatchID)
    /// A batch that was cut behind a disputed one goes on: a person has said so.
    case batchReleased(BatchID)
    /// A requested slash came to nothing on chain: the bond is the party's again.
    case slashReleased(PartyID, amount: Amount)
    /// A channel is to be opened, or its deposit raised to so much in all, in chain units.
    case channelFunding(ChannelID, total: UInt128)
    /// So much lies in a channel now, in chain units, what was claimed of it included.
    case channelBalance(ChannelID, units: UInt128)
    /// A party is promised so much in all through its channel, in chain units.
    case voucherDue(ChannelID, cumulative: UInt128)
    /// It is fixed under which books that is promised.
    case voucherSealed(ChannelID, cumulative: UInt128)
    /// A payee has claimed through its channel.
    case voucherClaimed(ChannelID, units: UInt128)
    /// More was claimed through a channel than the house has promised: somebody else signs.
    case channelOverclaimed(ChannelID, units: UInt128)
    /// A channel is used no more.
    case channelClosing(ChannelID)
    /// A party has registered an account on Solana for its deposits, or given one up.
    case depositorChanged(PartyID)
    /// Dollars came in on Solana, in chain units; how much of them is credited follows.
    case depositBooked(DepositID, PartyID, units: UInt64)
    /// So much of a deposit on Solana was credited.
    case depositCredited(DepositID, PartyID, amount: Amount)
    /// A log that was booked is no longer in the chain; what it had moved was moved back.
    case chainReversed(ChainReference)
    /// So many transactions were signed on Solana, as the journal knows from now on.
    case solanaPinned(count: UInt64)
    /// The record of Solana's payouts is about to forget some that are over.
    case solanaForgetting(round: UInt64)
}
