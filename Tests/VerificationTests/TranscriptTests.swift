import Cryptography
import Primitives
import Testing
import Verification

/// The leaf formats of docs/reference/evidence.md, built here a second time from bytes.
struct TranscriptTests {
    @Test func tokenLeaves() {
        var transcript = Transcript()
        transcript.receive(token: 258)
        transcript.receive(token: -1)
        let leaves: [[UInt8]] = [[0, 0, 0, 0, 2, 1, 0, 0], [1, 0, 0, 0, 255, 255, 255, 255]]
        #expect(transcript.inputRoot == MerkleTree(data: leaves).root)
        #expect(transcript.inputRoot == Transcript.root(tokens: [258, -1]))
        #expect(transcript.inputCount == 2)
        #expect(transcript.outputCount == 0)
        #expect(transcript.outputRoot == MerkleTree.emptyRoot)
    }

    @Test func activationLeaves() {
        let rows: [[Float]] = [[1, -2], [0.5, 0], [-0.0, 3]]
        var transcript = Transcript()
        for row in rows {
            transcript.receive(row: row[...])
            transcript.send(row: row[...])
        }
        let bytes = rows.map { $0.flatMap { little($0.bitPattern) } }
        let leaves = bytes.enumerated().map { little(UInt32($0.offset)) + $0.element }
        #expect(transcript.inputRoot == MerkleTree(data: leaves).root)
        #expect(transcript.outputRoot == transcript.inputRoot)
        #expect(
            Transcript.root(boundary: bytes.flatMap { $0 }, width: 8) == transcript.inputRoot)
    }

    @Test func outputLeaves() throws {
        let (logits, sampling) = (SHA256.hash([1]), SHA256.hash([2]))
        var transcript = Transcript()
        transcript.passUnsampled()
        transcript.sample(token: 3, logits: logits, sampling: sampling)
        let leaves: [[UInt8]] = [
            [0, 0, 0, 0, 0],
            [1, 0, 0, 0, 2, 3, 0, 0, 0] + logits.bytes + sampling.bytes,
        ]
        #expect(transcript.outputRoot == MerkleTree(data: leaves).root)
        #expect(
            Transcript.root(sampled: [3], logits: [logits], sampling: sampling, promptTokens: 2)
                == transcript.outputRoot)
        #expect(
            Transcript.root(sampled: [3], logits: [], sampling: sampling, promptTokens: 2) == nil)
        #expect(
            Transcript.root(sampled: [], logits: [], sampling: sampling, promptTokens: 0) == nil)
    }

    /// The fold of the reference page, number by number.
    @Test(arguments: [0, 1, 31, 32, 33, 70, 4_096])
    func logitsAreFoldedBesideTheirRow(count: Int) {
        var dice = Dice(state: 5)
        let row: [Float] = [1, -2.5, 1e-9]
        let logits = (0..<count).map { _ in Float(dice.roll(1 << 20)) / 1_024 - 500 }
        var lanes = [UInt32](repeating: 0, count: 32)
        for (index, logit) in logits.enumerated() {
            let sum = lanes[index % 32] &+ logit.bitPattern
            lanes[index % 32] = sum << 7 | sum >> 25
        }
        let domain = Array("exchequer-logits-v1".utf8)
        let bytes = little(UInt32(domain.count)) + domain + row.flatMap { little($0.bitPattern) }
        #expect(
            Transcript.hash(row: row[...], logits: logits[...])
                == SHA256.hash(bytes + lanes.flatMap(little)))
    }

    /// Each bit of each number counts, and so does the order of two that share a lane.
    @Test func otherLogitsHaveAnotherHash() {
        let row: [Float] = [1, 2]
        let logits = (0..<128).map { Float($0) * 0.25 - 3 }
        let hash = Transcript.hash(row: row[...], logits: logits[...])
        #expect(Transcript.hash(row: [1, 2.5], logits: logits[...]) != hash)
        for index in logits.indices {
            for bit in 0..<32 as Range<UInt32> {
                var other = logits
                other[index] = Float(bitPattern: other[index].bitPattern ^ 1 << bit)
                #expect(Transcript.hash(row: row[...], logits: other[...]) != hash)
            }
            guard index + 32 < logits.count else { continue }
            var other = logits
            other.swapAt(index, index + 32)
            #expect(Transcript.hash(row: row[...], logits: other[...]) != hash)
        }
    }

    @Test func requestsDifferInPromptAndSampling() {
        let base = Transcript.request(prompt: [1, 2], sampling: [3])
        #expect(base == Transcript.request(prompt: [1, 2], sampling: [3]))
        #expect(base != Transcript.request(prompt: [1, 3], sampling: [3]))
        #expect(base != Transcript.request(prompt: [1, 2], sampling: [4]))
        #expect(base != Transcript.request(prompt: [1], sampling: [2, 3]))
    }

    /// What is taken back leaves no trace.
    @Test func aTruncatedTranscriptIsAsIfTheRestHadNeverBeen() {
        func transcript(_ tokens: Range<Int32>) -> Transcript {
            var transcript = Transcript()
            for token in tokens { add(token, to: &transcript) }
            return transcript
        }
        func add(_ token: Int32, to transcript: inout Transcript) {
            transcript.receive(token: token)
            transcript.sample(token: token, logits: .zero, sampling: .zero)
        }
        for length in 0..<20 as Range<Int32> {
            for kept in 0...length {
                var cut = transcript(0..<length)
                cut.truncate(to: Int(kept))
                let straight = transcript(0..<kept)
                #expect(cut.inputRoot == straight.inputRoot)
                #expect(cut.outputRoot == straight.outputRoot)
                #expect(cut.inputCount == Int(kept))
                add(99, to: &cut)
                var longer = straight
                add(99, to: &longer)
                #expect(cut.outputRoot == longer.outputRoot)
            }
        }
    }
}
