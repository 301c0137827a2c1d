import Cryptography
public import Primitives

/// The answer to a challenge: for each row the whole 64 KiB chunks that hold it, opened up to the
/// manifest's roots. Signed by the node that was asked.
public struct WeightProof: Signable, Hashable {
    public static let domain = "exchequer-weight-proof-v1"

    /// `WeightChallenge.digest`.
    public var challenge: Digest
    /// The rows, in the order of the challenge.
    public var openings: [WeightOpening]

    /// A proof with its parts.
    public init(challenge: Digest, openings: [WeightOpening]) {
        self.challenge = challenge
        self.openings = openings
    }

    public func encode(into writer: inout ByteWriter) {
        writer.write(challenge)
        writer.write(openings)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            challenge: try reader.readDigest(),
            openings: try reader.readArray(limit: Int(WeightChallenge.maximumRows)))
    }
}

/// Why an answer to a challenge shows nothing. Numbers are stable for ever
/// (docs/reference/weight-proofs.md).
public struct WeightProofRejection: Error, Hashable, Sendable {
    /// What is wrong.
    public enum Code: UInt16, CaseIterable, Hashable, Sendable {
        /// The bytes are not a signed proof of this version, or a part is over its limit.
        case unreadable = 841
        /// No such challenge is open: it is over, was answered, or was never asked.
        case otherChallenge = 842
        /// Not signed by the node that was asked.
        case badSignature = 843
        /// Not one opening for each row.
        case wrongCount = 844
        /// What was opened is not the rows asked for, or has another size.
        case wrongOpening = 845
        /// What was opened is not the model's.
        case otherWeights = 846
    }

    /// What is wrong.
    public let code: Code
    /// One sentence for a person.
    public let reason: String

    /// A rejection with its reason.
    public init(_ code: Code, _ reason: String) {
        self.code = code
        self.reason = reason
    }
}

extension WeightProofRejection: CustomStringConvertible {
    /// The number and the sentence.
    public var description: String { "weights_\(code.rawValue): \(reason)" }
}

extension WeightChallenge {
    /// Checks a signed answer against the manifest alone. `rowBytes` gives the bytes of a row of
    /// some columns in a number format of GGUF, `nil` if there is no such format.
    ///
    /// Hashes the opened chunks: 64 KiB a row, 128 KiB where a row crosses from one to the next.
    public func check(
        _ proof: Signed<WeightProof>, model: DisputeModel,
        rowBytes: (_ type: UInt32, _ columns: Int) -> Int?
    ) throws(WeightProofRejection) {
        guard proof.body.challenge == digest else {
            throw WeightProofRejection(
                .otherChallenge, "the answer is to challenge \(proof.body.challenge)")
        }
        guard proof.signer == node, let proof = proof.verified()?.body else {
            throw WeightProofRejection(.badSignature, "the answer is not signed by the node asked")
        }
        let places = places(in: model)
        guard !places.isEmpty, proof.openings.count == places.count else {
            throw WeightProofRejection(
                .wrongCount, "\(proof.openings.count) openings for \(places.count) rows")
        }
        for (place, opening) in zip(places, proof.openings) {
            do throws(BisectionRejection) {
                _ = try model.group(of: place.step).open(
                    opening, place.tensor, rows: place.row..<place.row + 1, rowBytes: rowBytes)
            } catch {
                throw WeightProofRejection(
                    error.code == .wrongOpening ? .wrongOpening : .otherWeights, error.reason)
            }
        }
    }
}

extension DisputeModel.Group {
    /// The bytes of some rows of a tensor, out of opened chunks that are proved to be the model's.
    func open(
        _ opening: WeightOpening, _ index: Int, rows: Range<Int>,
        rowBytes: (_ type: UInt32, _ columns: Int) -> Int?
    ) throws(BisectionRejection) -> [UInt8] {
        let tensor = tensors[index]
        guard tensor.names.contains(opening.name),
            let rowBytes = rowBytes(opening.type, tensor.columns)
        else {
            throw BisectionRejection(
                .otherWeights, "\(opening.name) of format \(opening.type) is not what is asked for")
        }
        let total = rowBytes * tensor.rows
        let wanted = rows.lowerBound * rowBytes..<rows.upperBound * rowBytes
        let size = TensorCommitment.chunkBytes
        let first = wanted.lowerBound / size
        let all = first * size..<min(TensorCommitment.chunks(wanted.upperBound) * size, total)
        guard opening.chunks.bytes.count == all.count else {
            throw BisectionRejection(
                .wrongOpening, "\(opening.chunks.bytes.count) bytes of weights, not \(all.count)")
        }
        let chunks = MerkleRange.root(
            leaves: TensorCommitment.leaves(
                name: opening.name, first: first, bytes: opening.chunks.bytes),
            at: first, of: TensorCommitment.chunks(total), path: opening.chunks.path)
        let root = chunks.flatMap { chunks in
            MerkleRange.root(
                leaves: [
                    TensorCommitment.root(
                        name: opening.name, type: opening.type, dimensions: tensor.dimensions,
                        chunks: chunks)
                ], at: index, of: tensors.count, path: opening.groupPath)
        }
        guard root == self.root else {
            throw BisectionRejection(.otherWeights, "\(opening.name) is not the model's")
        }
        let start = wanted.lowerBound - all.lowerBound
        return Array(opening.chunks.bytes[start..<start + wanted.count])
    }
}
