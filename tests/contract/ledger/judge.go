// The judge of our ledger: the implementation behind Go's own checksum database, which we did not write.
//
// It reads one JSON object a line and answers each with one. Hashes are in hex, notes are text.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"os"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type question struct {
	Op     string   `json:"op"`
	Size   int64    `json:"size"`
	Root   string   `json:"root"`
	Index  int64    `json:"index"`
	Leaf   string   `json:"leaf"`
	Size1  int64    `json:"size1"`
	Root1  string   `json:"root1"`
	Proof  []string `json:"proof"`
	Leaves []string `json:"leaves"`
	Vkey   string   `json:"vkey"`
	Note   string   `json:"note"`
	Secret string   `json:"secret"`
}

type answer struct {
	Error string   `json:"error,omitempty"`
	Root  string   `json:"root,omitempty"`
	Proof []string `json:"proof,omitempty"`
	Text  string   `json:"text,omitempty"`
}

type log []tlog.Hash

func (l log) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for place, index := range indexes {
		found[place] = l[index]
	}
	return found, nil
}

func hash(text string) (h tlog.Hash) {
	data, err := hex.DecodeString(text)
	if err != nil || len(data) != tlog.HashSize {
		panic("no hash: " + text)
	}
	copy(h[:], data)
	return h
}

func hashes(texts []string) []tlog.Hash {
	found := make([]tlog.Hash, len(texts))
	for place, text := range texts {
		found[place] = hash(text)
	}
	return found
}

func texts(proof []tlog.Hash) []string {
	found := make([]string, len(proof))
	for place, item := range proof {
		found[place] = hex.EncodeToString(item[:])
	}
	return found
}

func say(err error) answer {
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{}
}

var grown log
var grownSize int64

func ask(q question) answer {
	switch q.Op {
	case "inclusion":
		return say(tlog.CheckRecord(hashes(q.Proof), q.Size, hash(q.Root), q.Index, hash(q.Leaf)))
	case "consistency":
		return say(tlog.CheckTree(hashes(q.Proof), q.Size, hash(q.Root), q.Size1, hash(q.Root1)))
	case "note":
		verifier, err := note.NewVerifier(q.Vkey)
		if err != nil {
			return say(err)
		}
		opened, err := note.Open([]byte(q.Note), note.VerifierList(verifier))
		if err != nil {
			return say(err)
		}
		return answer{Text: opened.Text}
	case "sign":
		signer, err := note.NewSigner(q.Secret)
		if err != nil {
			return say(err)
		}
		signed, err := note.Sign(&note.Note{Text: q.Note}, signer)
		if err != nil {
			return say(err)
		}
		return answer{Text: string(signed)}
	case "grow":
		for _, leaf := range hashes(q.Leaves) {
			stored, err := tlog.StoredHashesForRecordHash(grownSize, leaf, grown)
			if err != nil {
				return say(err)
			}
			grown = append(grown, stored...)
			grownSize++
		}
		root, err := tlog.TreeHash(grownSize, grown)
		if err != nil {
			return say(err)
		}
		return answer{Root: hex.EncodeToString(root[:])}
	case "prove":
		proof, err := tlog.ProveRecord(q.Size, q.Index, grown)
		if err != nil {
			return say(err)
		}
		return answer{Proof: texts(proof)}
	case "extend":
		proof, err := tlog.ProveTree(q.Size, q.Size1, grown)
		if err != nil {
			return say(err)
		}
		return answer{Proof: texts(proof)}
	}
	panic("no such question: " + q.Op)
}

func main() {
	in, out := bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)
	for questions := json.NewDecoder(in); questions.More(); {
		var q question
		if err := questions.Decode(&q); err != nil {
			panic(err)
		}
		if err := out.Encode(ask(q)); err != nil {
			panic(err)
		}
	}
}
