import Cryptography
import Primitives
public import Verification

extension BisectionRecord {
    /// The game as far as its moves go, every one of them checked again: what a referee does. Needs
    /// no weights but those that were opened.
    ///
    /// Throws `CodecError` or `ModelError` for a manifest that no game can be about, otherwise
    /// `BisectionRejection`.
    public func replayed() throws -> (game: SignedBisection, referee: SingleOperations) {
        let manifest = try ModelManifest(canonicalBytes: manifest)
        guard let receipt = receipt.verified() else {
            throw BisectionRejection(.badSignature, "the receipt was not signed by its signer")
        }
        let subject = try BisectionSubject(
            receipt: receipt, sampling: sampling, model: try manifest.disputeModel,
            challenger: challenger)
        let referee = SingleOperations(manifest.architecture)
        var game = SignedBisection(subject)
        for move in moves { try game.receive(move, executing: referee) }
        return (game, referee)
    }
}
