import Primitives

/// Who takes part: parties, nodes, models, API keys.
extension ClearingHouse {
    /// The party of an address, made on first sight: a deposit is never without an owner.
    mutating func party(
        for address: EVMAddress, at time: Timestamp, into events: inout [Event]
    ) -> PartyID {
        if let known = index.partyByAddress[address] { return known }
        let id = PartyID(UInt64(parties.count) + 1)
        parties.append(Party(id: id, address: address, createdAt: time))
        index.partyByAddress[address] = id
        events.append(.partyRegistered(id, address))
        return id
    }

    mutating func nameParty(
        _ id: PartyID, name: String, into events: inout [Event]
    ) throws(Rejection) {
        guard let party = parties.at(id) else { throw .partyNotFound }
        guard isSlug(name) else { throw .invalidName }
        if let owner = index.partyByName[name], owner != id { throw .nameTaken }
        if !party.name.isEmpty { index.partyByName[party.name] = nil }
        parties[id].name = name
        index.partyByName[name] = id
        events.append(.partyNamed(id, name: name))
    }

    mutating func registerNode(
        _ owner: PartyID, key: PublicKey, kernel: String, at time: Timestamp,
        into events: inout [Event]
    ) throws(Rejection) {
        if kernel.utf8.count > Limits.textBytes { throw .limitExceeded }
        guard let party = parties.at(owner) else { throw .partyNotFound }
        if party.tombstoned { throw .partyTombstoned }
        if index.nodeByKey[key] != nil { throw .nodeKeyTaken }
        if party.nodes.count >= Limits.nodesPerParty { throw .tooManyNodes }
        let id = NodeID(UInt64(nodes.count) + 1)
        nodes.append(NodeRecord(id: id, party: owner, key: key, kernel: kernel, createdAt: time))
        parties[owner].nodes.append(id)
        index.nodeByKey[key] = id
        events.append(.nodeRegistered(id, owner))
    }

    mutating func setPresence(
        _ id: NodeID, online: Bool, into events: inout [Event]
    ) throws(Rejection) {
        guard nodes.at(id) != nil else { throw .nodeNotFound }
        nodes[id].online = online
        events.append(.presenceChanged(id, online: online))
    }

    mutating func registerModel(
        _ draft: ModelDraft, at time: Timestamp, into events: inout [Event]
    ) throws(Rejection) {
        if draft.manifest.count > Limits.manifestBytes { throw .limitExceeded }
        if index.modelByRoot[draft.root] != nil || index.modelByName[draft.name] != nil {
            throw .modelExists
        }
        guard draft.layers > 0, draft.context > 1, !draft.name.isEmpty,
            draft.name.utf8.count <= Limits.nameBytes
        else { throw .invalidModel }
        let id = ModelID(UInt64(models.count) + 1)
        models.append(Model(id: id, draft: draft, createdAt: time))
        index.modelByRoot[draft.root] = id
        index.modelByName[draft.name] = id
        events.append(.modelRegistered(id, root: draft.root))
    }

    mutating func enlistVerifier(
        _ id: NodeID, model: ModelID, into events: inout [Event]
    ) throws(Rejection) {
        if let known = nodes.at(id), known.verifies.count >= Limits.modelsPerVerifier {
            throw .limitExceeded
        }
        guard let node = nodes.at(id) else { throw .nodeNotFound }
        if parties[node.party].tombstoned { throw .partyTombstoned }
        guard models.at(model) != nil else { throw .modelNotFound }
        if node.verifies.contains(model) { throw .alreadyEnlisted }
        nodes[id].verifies.append(model)
        models[model].verifiers.append(id)
        models[model].verifiers.sort()
        events.append(.verifierEnlisted(id, model))
    }

    mutating func issueKey(
        _ owner: PartyID, hash: Digest, label: String, at time: Timestamp,
        into events: inout [Event]
    ) throws(Rejection) {
        if label.utf8.count > Limits.textBytes { throw .limitExceeded }
        guard let party = parties.at(owner) else { throw .partyNotFound }
        if index.partyByKey[hash] != nil { throw .keyExists }
        if party.keys.count >= Limits.keysPerParty { throw .tooManyKeys }
        parties[owner].keys.append(APIKey(hash: hash, label: label, createdAt: time))
        index.partyByKey[hash] = owner
        events.append(.keyIssued(owner, hash: hash))
    }

    mutating func revokeKey(
        _ owner: PartyID, hash: Digest, into events: inout [Event]
    ) throws(Rejection) {
        guard let party = parties.at(owner) else { throw .partyNotFound }
        guard let place = party.keys.firstIndex(where: { $0.hash == hash }) else {
            throw .keyNotFound
        }
        parties[owner].keys.remove(at: place)
        index.partyByKey[hash] = nil
        events.append(.keyRevoked(owner, hash: hash))
    }

    private func isSlug(_ name: String) -> Bool {
        // A party without a name is shown as `party-7`.
        !name.isEmpty && name.utf8.count <= Limits.nameBytes && !name.hasPrefix("party-")
            && name.utf8.allSatisfy { character in
                switch character {
                case 0x61...0x7A, 0x30...0x39, 0x2D: true
                default: false
                }
            }
    }
}
