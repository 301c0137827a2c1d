import ArgumentParser
import Chains
import Cryptography
import Foundation
import Primitives

/// What each payee of a pool was ever owed, as a file says it: lines `OWNER,UNITS`, or a JSON list
/// of objects with `owner` and `cumulative`.
struct PayoutLeaves {
    /// The leaves, each owner once.
    let owed: [(owner: SolanaAddress, cumulative: UInt64)]
    /// The sum of all.
    let total: UInt64

    private struct Row: Decodable {
        let owner, cumulative: String
    }

    /// Reads a file, or says what is wrong with it and where.
    init(contentsOf path: String) throws {
        guard let data = FileManager.default.contents(atPath: path) else {
            Console.say("\(path) cannot be read")
            throw Exit.configuration
        }
        func wrong(_ place: Int, _ why: String) -> ExitCode {
            Console.say("\(path), leaf \(place): \(why)")
            return Exit.configuration
        }
        var owed: [(owner: SolanaAddress, cumulative: UInt64)] = []
        var seen: Set<SolanaAddress> = []
        var sum: UInt64 = 0
        for (index, row) in try Self.rows(data, path).enumerated() {
            guard let owner = SolanaAddress(row.owner) else {
                throw wrong(index + 1, "\(row.owner) is not an address of Solana")
            }
            guard let units = UInt64(row.cumulative), units > 0 else {
                throw wrong(index + 1, "\(row.cumulative) is not a whole number above 0")
            }
            guard seen.insert(owner).inserted else {
                throw wrong(index + 1, "\(owner) is there before: one sum for each owner")
            }
            let (more, overflow) = sum.addingReportingOverflow(units)
            guard !overflow else { throw wrong(index + 1, "the sum is beyond 64 bits") }
            sum = more
            owed.append((owner, units))
        }
        guard !owed.isEmpty else {
            Console.say("\(path) has no leaf")
            throw Exit.configuration
        }
        self.owed = owed
        total = sum
    }

    private static func rows(_ data: Data, _ path: String) throws -> [Row] {
        if data.first(where: { !" \t\r\n".utf8.contains($0) }) == UInt8(ascii: "[") {
            do {
                return try JSONDecoder().decode([Row].self, from: data)
            } catch {
                Console.say(
                    "\(path) is not a list of {\"owner\": .., \"cumulative\": \"..\"}")
                throw Exit.configuration
            }
        }
        let lines = String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline)
        return try lines.filter { !$0.hasPrefix("#") && $0 != "owner,cumulative" }.map { line in
            let parts = line.split(separator: ",", omittingEmptySubsequences: false)
            guard parts.count == 2 else {
                Console.say("\(path): \(line) is not OWNER,UNITS")
                throw Exit.configuration
            }
            return Row(owner: String(parts[0]), cumulative: String(parts[1]))
        }
    }

    /// The tree of a pool's leaves. O(leaves).
    func tree(of pool: PayoutPool) -> ClaimTree {
        ClaimTree(leaves: owed.map { pool.leaf(of: $0.owner, cumulative: $0.cumulative) })
    }
}

/// One payee's leaf and proof, as `exchequer pool proof` prints it.
struct PayoutProof: Codable {
    let pool, owner, cumulative: String
    let proof: [String]

    init(_ pool: PayoutPool, _ owner: SolanaAddress, _ cumulative: UInt64, _ path: [Digest]) {
        self.pool = pool.address.description
        self.owner = owner.description
        self.cumulative = "\(cumulative)"
        proof = path.map(\.hex)
    }

    /// What a house says that an account can claim, as far as it is about pools.
    private struct Statement: Decodable {
        struct Solana: Decodable {
            let pool: [PayoutProof]?
        }

        let solana: Solana?
    }

    /// Reads what `exchequer pool proof` printed, or `exchequer claimable --json`: there the leaf
    /// of an owner in a pool, or the only one in it.
    init(contentsOf path: String, owner: String?, in pool: PayoutPool) throws {
        let data = FileManager.default.contents(atPath: path) ?? Data()
        let decoder = JSONDecoder()
        if let found = try? decoder.decode(Self.self, from: data) {
            self = found
            return
        }
        guard let all = try? decoder.decode(Statement.self, from: data) else {
            Console.say("\(path) holds no JSON of exchequer pool proof or exchequer claimable")
            throw Exit.configuration
        }
        let leaves = (all.solana?.pool ?? []).filter {
            $0.pool == pool.address.description && $0.cumulative != "0"
                && owner ?? $0.owner == $0.owner
        }
        guard let leaf = leaves.first, leaves.count == 1 else {
            Console.say(
                leaves.isEmpty
                    ? "\(path) has nothing that \(pool.address) pays"
                    : "\(path) has leaves of \(leaves.count) owners: say which with --owner")
            throw ExitCode.failure
        }
        self = leaf
    }

    /// The parts, if they are of this pool.
    func parts(
        of pool: PayoutPool
    ) throws -> (owner: SolanaAddress, cumulative: UInt64, path: [Digest]) {
        guard self.pool == pool.address.description else {
            Console.say("the proof is of the pool \(self.pool)")
            throw Exit.configuration
        }
        guard let owner = SolanaAddress(owner), let units = UInt64(cumulative) else {
            throw ValidationError("The proof is malformed.")
        }
        let path = try proof.map { text in
            guard let digest = Digest(hex: text) else {
                throw ValidationError("The proof is malformed.")
            }
            return digest
        }
        return (owner, units, path)
    }
}
