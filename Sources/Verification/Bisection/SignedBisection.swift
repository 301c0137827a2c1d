import Cryptography
public import Primitives

/// A game whose moves are signed: what stands between the network and a `BisectionGame`. A move
/// that is not a party's own for this turn of this game is refused and changes nothing, since
/// anyone may have sent it; one that is, counts.
public struct SignedBisection: Sendable {
    /// The game.
    public private(set) var game: BisectionGame

    /// A game from its start.
    public init(_ subject: BisectionSubject) {
        game = BisectionGame(subject)
    }

    /// Who signs for a party.
    public func key(of party: BisectionParty) -> PublicKey {
        party == .accused ? game.subject.receipt.signer : game.subject.challenger
    }

    /// The move that says this in the current turn, to be signed.
    public func move(_ message: BisectionMessage) -> BisectionMove {
        BisectionMove(game: game.subject.id, turn: game.turns, message: message)
    }

    /// Takes a move as it came, in its canonical bytes.
    public mutating func receive(
        bytes: [UInt8], executing executor: some OperationExecutor
    ) throws(BisectionRejection) {
        let signed: Signed<BisectionMove>
        do {
            signed = try Signed(canonicalBytes: bytes)
        } catch {
            throw BisectionRejection(.unreadable, "the bytes are not a signed move: \(error)")
        }
        try receive(signed, executing: executor)
    }

    /// Takes a move. Throws and changes nothing if it is about another game or turn, or not
    /// signed by the party to move, or if the referee cannot execute the operation.
    public mutating func receive(
        _ signed: Signed<BisectionMove>, executing executor: some OperationExecutor
    ) throws(BisectionRejection) {
        guard signed.body.game == game.subject.id else {
            throw BisectionRejection(.otherGame, "the move is about game \(signed.body.game)")
        }
        guard let party = game.turn.party, signed.body.turn == game.turns else {
            throw BisectionRejection(
                .wrongTurn, "the move is about turn \(signed.body.turn), not \(game.turns)")
        }
        guard signed.signer == key(of: party), let move = signed.verified() else {
            throw BisectionRejection(.badSignature, "the move is not signed by the \(party)")
        }
        try game.play(move.body.message, from: party, executing: executor)
    }

    /// The party to move has not answered in time, and loses.
    public mutating func timeOut() { game.timeOut() }
}
