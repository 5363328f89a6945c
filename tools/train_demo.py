#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Train, evaluate and sample the small GPT-2 model which ships in models/demo.

Needs: pip install torch tokenizers numpy (and a C++ compiler, unless --no-compile)

  tools/train_demo.py --work WORKDIR --out models/demo      train (resumes from WORKDIR), then export
  tools/train_demo.py --export --work WORKDIR --out DIR     export the newest checkpoint, no training
  tools/train_demo.py --eval DIR                            held-out loss and bits per byte of a model folder
  tools/train_demo.py --sample DIR --prompt "Once upon"     print text from a model folder

Data.  --data is a folder of plain-text books (*.txt, one paragraph a line).  The last 2 % of every book is held
out; neither the tokenizer nor the model sees it.  `tinystories*.txt` are not books: the same split applies, but
the reported held-out loss is over the books alone.  A file named SIMPLICITY.tsv (share, bytes, cumulative bytes,
file; simplest first) marks the simplest books, which the end of the training may repeat (--simple-*).

Model.  GPT-2: pre-LayerNorm, learned positions, tanh GELU, biases everywhere, output tied to the token embedding.
The vocabulary is a byte-level BPE with GPT-2's split pattern, trained here; <|endoftext|> is token 0.

Optimiser.  The two-dimensional hidden matrices use Muon: Nesterov momentum, orthogonalised by five Newton-Schulz
iterations (each of q, k and v on its own).  Embeddings, biases and LayerNorms use AdamW.  Both decay the weights.

Schedule.  A short warm-up, then the rate falls linearly to zero over the budget.  The budget is wall time
(--minutes; it ends on time however loaded the machine is) or a number of tokens (--tokens; the run is then a
function of the seed alone, with --workers 1 to the last bit).  Each epoch walks all training text once, cut at a new random offset into windows in
random order.
"""
import argparse
import glob
import json
import math
import os
import struct
import time

import numpy as np
import torch
import torch.nn.functional as F

EOT = "<|endoftext|>"
HELD_OUT = 0.02

# --------------------------------------------------------------------------------------------------- text and tokens


def read_split(data_dir):
    """-> [(file name, training text, held-out text)], in file-name order.  The cut falls on a space or line end."""
    out = []
    for path in sorted(glob.glob(os.path.join(data_dir, "*.txt"))):
        text = open(path, encoding="utf-8", newline="").read()
        cut = int(len(text) * (1 - HELD_OUT))
        while cut < len(text) and not text[cut].isspace():
            cut += 1
        out.append((os.path.basename(path), text[:cut], text[cut:]))
    if not out:
        raise SystemExit("no *.txt in " + data_dir)
    return out


def is_book(name):
    return not name.startswith("tinystories")


def clean(text):
    """Repairs what tinystories needs: twice-encoded quotes and dashes, line ends around <|endoftext|>."""
    for bad, good in (("\u00e2\u20ac\u0153", '"'), ("\u00e2\u20ac\u2122", "'"), ("\u00e2\u20ac\u201c", "--"),
                      ("\u00e2\u20ac\u201d", "--"), ("\u00e2\u20ac", '"'), (f"\n{EOT}\n", EOT)):
        text = text.replace(bad, good)
    return text


def train_tokenizer(texts, vocab_size, out_dir):
    """Byte-level BPE in GPT-2's file formats: out_dir/vocab.json and out_dir/merges.txt."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=[EOT], show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tok.train_from_iterator((t.replace(EOT, "") for t in texts), trainer)
    os.makedirs(out_dir, exist_ok=True)
    tok.model.save(out_dir)


def load_tokenizer(folder):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    tok = Tokenizer(models.BPE.from_file(os.path.join(folder, "vocab.json"), os.path.join(folder, "merges.txt")))
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tok.decoder = decoders.ByteLevel()
    tok.add_special_tokens([EOT])
    return tok


def tokenize_all(args):
    """-> ([(name, training ids)], held-out ids of the books, held-out bytes); cached in the work folder."""
    cache = os.path.join(args.work, "ids.npz")
    split = read_split(args.data)
    held_bytes = sum(len(h.encode()) for n, _, h in split if is_book(n))
    if not os.path.exists(cache):
        train_tokenizer([t for _, t, _ in split], args.vocab, args.work)
        tok = load_tokenizer(args.work)
        arrays = {n: np.array(tok.encode(clean(t)).ids, np.uint16) for n, t, _ in split}
        arrays["held-out"] = held_out_ids(tok, split)
        np.savez(cache, **arrays)
    z = np.load(cache)
    return [(n, z[n]) for n, _, _ in split], z["held-out"], held_bytes


def held_out_ids(tok, split):
    return np.concatenate([np.array(tok.encode(h).ids, np.uint16) for n, _, h in split if is_book(n)])


class Windows:
    """An endless, seeded stream of batches [batch, context + 1], which state() and restore() resume exactly.

    One epoch is every file, its order shuffled, repeated by its weight, cut at a random offset into windows."""

    def __init__(self, files, simple, context, batch, seed):
        self.files, self.simple, self.context, self.batch, self.seed = files, simple, context, batch, seed
        self.epoch, self.pos, self.phase = -1, 0, 0
        self.order = np.zeros(0, np.int64)

    def weight(self, name):
        """How often a file comes in an epoch: phase 1 favours the simple ones."""
        if not is_book(name):
            return (3, 8)[self.phase]
        return 2 if self.phase and name in self.simple else 1

    def start_epoch(self, epoch, phase):
        self.epoch, self.phase, self.pos = epoch, phase, 0
        rng = np.random.default_rng([self.seed, epoch, phase])
        parts = [i for i, (n, _) in enumerate(self.files) for _ in range(self.weight(n))]
        rng.shuffle(parts)
        stream = np.concatenate([np.append(self.files[i][1], np.uint16(0)) for i in parts])
        self.stream = stream[rng.integers(self.context):]
        self.order = rng.permutation((len(self.stream) - 1) // self.context)

    def next(self, phase):
        if phase != self.phase or self.pos + self.batch > len(self.order):
            self.start_epoch(self.epoch + 1, phase)
        at = self.order[self.pos:self.pos + self.batch] * self.context
        self.pos += self.batch
        return self.stream[at[:, None] + np.arange(self.context + 1)].astype(np.int64)

    def state(self):
        return self.epoch, self.phase, self.pos

    def restore(self, state):
        epoch, phase, pos = state
        if epoch >= 0:
            self.start_epoch(epoch, phase)
        self.pos = pos


# -------------------------------------------------------------------------------------------------------------- model

# Parameters are a dictionary of float32 tensors, named as in Hugging Face's GPT-2 without "transformer.";
# the matrices of the linear layers are stored [in, out].


def shapes(cfg):
    d, out = cfg["n_embd"], {"wte.weight": (cfg["vocab_size"], cfg["n_embd"]),
                             "wpe.weight": (cfg["n_positions"], cfg["n_embd"])}
    for i in range(cfg["n_layer"]):
        for name, n_in, n_out in (("ln_1", 0, d), ("attn.c_attn", d, 3 * d), ("attn.c_proj", d, d),
                                  ("ln_2", 0, d), ("mlp.c_fc", d, 4 * d), ("mlp.c_proj", 4 * d, d)):
            out[f"h.{i}.{name}.weight"] = (n_in, n_out) if n_in else (n_out,)
            out[f"h.{i}.{name}.bias"] = (n_out,)
    out["ln_f.weight"] = out["ln_f.bias"] = (d,)
    return out


def init_params(cfg, seed):
    """GPT-2's: normal 0.02, less for what adds to the residual and for positions; LayerNorms 1; biases 0."""
    rng, p = np.random.default_rng(seed), {}
    for k, shape in shapes(cfg).items():
        std = 0.01 if k.startswith("wpe") else 0.02 / math.sqrt(2 * cfg["n_layer"]) if "c_proj" in k else 0.02
        a = rng.normal(0, std, shape) if len(shape) == 2 else np.full(shape, float(k.endswith("weight")))
        p[k] = torch.tensor(a, dtype=torch.float32)
    return p


def attention(qkv, b, t, n_head):
    """qkv [B*T, 3D] -> [B*T, D], causal, heads of width 64."""
    q, k, v = qkv.view(b, t, 3, n_head, 64).permute(2, 0, 3, 1, 4)
    o = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return o.transpose(1, 2).reshape(b * t, n_head * 64)


def logits(p, ids, cfg, dtype=torch.float32):
    """Token ids [B,T] -> logits [B*T, vocabulary].  dtype is that of the matrix products' operands."""
    (b, t), d = ids.shape, cfg["n_embd"]
    norm = lambda x, name: F.layer_norm(x, (d,), p[name + ".weight"], p[name + ".bias"], 1e-5).to(dtype)
    lin = lambda x, name: torch.addmm(p[name + ".bias"].to(dtype), x, p[name + ".weight"].to(dtype))
    x = (F.embedding(ids, p["wte.weight"]) + p["wpe.weight"][:t]).view(b * t, d)
    for i in range(cfg["n_layer"]):
        h = f"h.{i}."
        a = attention(lin(norm(x, h + "ln_1"), h + "attn.c_attn"), b, t, cfg["n_head"])
        x = x + lin(a, h + "attn.c_proj")
        a = F.gelu(lin(norm(x, h + "ln_2"), h + "mlp.c_fc"), approximate="tanh")
        x = x + lin(a, h + "mlp.c_proj")
    return norm(x, "ln_f") @ p["wte.weight"].to(dtype).T


def token_loss(p, ids, targets, cfg, dtype=torch.float32):
    """Mean cross-entropy in nats."""
    return F.cross_entropy(logits(p, ids, cfg, dtype).float(), targets.reshape(-1))


# ---------------------------------------------------------------------------------------------------------- optimiser


def orthogonalise(g, dtype):
    """Newton-Schulz: nearly the nearest semi-orthogonal matrix of each g[...,m,n], m <= n."""
    x = (g / (g.square().sum((-2, -1), keepdim=True).sqrt() + 1e-7)).to(dtype)
    for _ in range(5):
        s = x @ x.mT
        x = 3.4445 * x + (-4.7750 * s + 2.0315 * (s @ s)) @ x
    return x.float()


def muon_updates(m, d, dtype):
    """{name: momentum [in, out]} -> {name: update}; matrices of one shape are taken together."""
    flat = {}                                              # as [d, n] matrices, n >= d
    for key, g in m.items():
        if "c_attn" in key:
            flat.update({(key, j): g[:, j * d:(j + 1) * d] for j in range(3)})
        else:
            flat[key, 0] = g.T if "mlp.c_proj" in key else g
    for shape in {g.shape: 0 for g in flat.values()}:
        keys = [k for k in flat if flat[k].shape == shape]
        flat.update(zip(keys, orthogonalise(torch.stack([flat[k] for k in keys]), dtype)))
    out = {}
    for key in m:
        if "c_attn" in key:
            out[key] = torch.cat([flat[key, j] for j in range(3)], 1)
        elif "mlp.c_proj" in key:
            out[key] = flat[key, 0].T
        else:
            out[key] = flat[key, 0] * (2 if "mlp.c_fc" in key else 1)          # sqrt(out / in)
    return out


class Optimiser:
    def __init__(self, p, cfg, args):
        self.p, self.d, self.args = p, cfg["n_embd"], args
        self.muon = [k for k in p if k.endswith(".weight") and k.startswith("h.") and ".ln_" not in k]
        self.rest = [k for k in p if k not in self.muon]
        self.momentum = {k: torch.zeros_like(p[k]) for k in self.muon}
        two_d = [p[k] for k in self.rest if p[k].ndim == 2]
        one_d = [p[k] for k in self.rest if p[k].ndim == 1]
        self.adam = torch.optim.AdamW([{"params": two_d, "weight_decay": args.adam_decay},
                                       {"params": one_d, "weight_decay": 0.0}], betas=(0.9, 0.95), fused=True)

    @torch.no_grad()
    def step(self, grads, rate):
        """grads {name: tensor}; rate in 0..1 scales both learning rates."""
        args, p = self.args, self.p
        for k, m in self.momentum.items():
            m.lerp_(grads[k], 1 - args.momentum)
        nesterov = {k: grads[k].lerp(m, args.momentum) for k, m in self.momentum.items()}
        lr = args.muon_lr * rate
        for k, u in muon_updates(nesterov, self.d, args.dtype).items():
            p[k].mul_(1 - lr * args.muon_decay).sub_(u, alpha=lr)
        for group in self.adam.param_groups:
            group["lr"] = args.adam_lr * rate
        for k in self.rest:
            p[k].grad = grads[k]
        torch.nn.utils.clip_grad_norm_([p[k] for k in self.rest], 1.0)
        self.adam.step()

    def state(self):
        return {"momentum": self.momentum, "adam": self.adam.state_dict()}

    def restore(self, state):
        for k in self.muon:
            self.momentum[k].copy_(state["momentum"][k])
        self.adam.load_state_dict(state["adam"])


# ---------------------------------------------------------------------------------------------------------- gradients


def views(flat, cfg):
    """The parameters' dictionary as views of one flat tensor."""
    out, at = {}, 0
    for k, shape in shapes(cfg).items():
        out[k] = flat[at:at + math.prod(shape)].view(shape)
        at += math.prod(shape)
    return out


def gradient_worker(flat, grad, batch, losses, cfg, args, start, done, claimed):
    """One process, one thread: adds the gradients of the micro-batches it claims to grad."""
    torch.set_num_threads(1)
    p, g = views(flat, cfg), views(grad, cfg)
    for k in p:
        p[k].requires_grad_().grad = g[k]
    loss_fn = token_loss if args.no_compile else torch.compile(token_loss, dynamic=False)
    while True:
        while not start.acquire(timeout=10):
            if not torch.multiprocessing.parent_process().is_alive():
                return
        grad.zero_()
        while True:
            with claimed.get_lock():
                i = claimed.value
                claimed.value += 1
            if i >= len(batch):
                break
            loss = loss_fn(p, batch[i, :, :-1].contiguous(), batch[i, :, 1:].contiguous(), cfg, args.dtype)
            loss.backward()
            losses[i] = loss.item()
        done.release()


class Gradients:
    """Loss and gradients of a batch by --workers processes, which take its micro-batches as each gets on: where
    other programs take a processor away, threads that wait for one another in every operation lose far more."""

    def __init__(self, flat, cfg, args):
        mp = torch.multiprocessing.get_context("spawn")
        self.cfg, n = cfg, args.batch // args.micro
        self.batch = torch.zeros(n, args.micro, args.context + 1, dtype=torch.int64).share_memory_()
        self.losses = torch.zeros(n).share_memory_()
        self.grads = [torch.zeros_like(flat).share_memory_() for _ in range(args.workers)]
        self.start, self.done, self.claimed = mp.Semaphore(0), mp.Semaphore(0), mp.Value("i", 0)
        self.workers = [mp.Process(target=gradient_worker, daemon=True, args=(
            flat, g, self.batch, self.losses, cfg, args, self.start, self.done, self.claimed)) for g in self.grads]
        for w in self.workers:
            w.start()

    def __call__(self, windows):
        """windows [batch, context + 1] -> mean loss, {name: gradient}"""
        self.batch.copy_(torch.from_numpy(windows).view(self.batch.shape))
        self.claimed.value = 0
        for _ in self.workers:
            self.start.release()
        for _ in self.workers:
            while not self.done.acquire(timeout=10):
                if not all(w.is_alive() for w in self.workers):
                    raise SystemExit("a worker has died")
        return self.losses.mean().item(), views(sum(self.grads) / len(self.batch), self.cfg)


# ----------------------------------------------------------------------------------------------- folders, checkpoints


def config(args):
    return {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_layer": args.layers, "n_head": args.width // 64,
            "n_embd": args.width, "n_positions": args.context, "n_ctx": args.context, "n_inner": None,
            "vocab_size": args.vocab, "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new",
            "tie_word_embeddings": True, "bos_token_id": 0, "eos_token_id": 0, "torch_dtype": "float16"}


def write_safetensors(path, tensors):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, a in tensors.items():
        header[name] = {"dtype": "F16", "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for a in tensors.values():
            f.write(np.ascontiguousarray(a).tobytes())


def read_safetensors(path):
    raw = open(path, "rb").read()
    n = struct.unpack("<Q", raw[:8])[0]
    kinds = {"F16": np.float16, "F32": np.float32}
    out = {}
    for name, d in json.loads(raw[8:8 + n]).items():
        if name != "__metadata__":
            a, b = d["data_offsets"]
            out[name] = np.frombuffer(raw[8 + n + a:8 + n + b], kinds[d["dtype"]]).reshape(d["shape"])
    return out


def load_folder(folder):
    """-> (config, parameters in float32)"""
    cfg = json.load(open(os.path.join(folder, "config.json")))
    t = read_safetensors(os.path.join(folder, "model.safetensors"))
    return cfg, {k.removeprefix("transformer."): torch.tensor(v.astype(np.float32)) for k, v in t.items()}


def export(ck, args):
    os.makedirs(args.out, exist_ok=True)
    tensors = {"transformer." + k: v.numpy().astype(np.float16) for k, v in ck["params"].items()}
    write_safetensors(os.path.join(args.out, "model.safetensors"), tensors)
    with open(os.path.join(args.out, "config.json"), "w") as f:
        f.write(json.dumps(ck["config"], indent=2) + "\n")
    for name in ("vocab.json", "merges.txt"):
        with open(os.path.join(args.work, name), "rb") as src, open(os.path.join(args.out, name), "wb") as dst:
            dst.write(src.read())
    total = sum(os.path.getsize(os.path.join(args.out, n)) for n in os.listdir(args.out))
    print(f"exported step {ck['step']}, {ck['tokens']} tokens, {ck['seconds'] / 60:.1f} minutes to {args.out}; "
          f"{sum(a.size for a in tensors.values())} parameters; {total} bytes in the folder")


def save_checkpoint(path, ck):
    torch.save(ck, path + ".new")
    os.replace(path + ".new", path)


# -------------------------------------------------------------------------------------------------------------- modes


@torch.no_grad()
def evaluate(p, cfg, ids, every=1, batch=2):
    """Mean nats per token over ids, in windows of the model's context without overlap (of them one in `every`)."""
    t = cfg["n_positions"]
    n = (len(ids) - 1) // t
    x = torch.from_numpy(ids[:n * t].astype(np.int64)).view(n, t)
    y = torch.from_numpy(ids[1:n * t + 1].astype(np.int64)).view(n, t)
    x, y = x[::every], y[::every]
    total = sum(len(x[i:i + batch]) * float(token_loss(p, x[i:i + batch], y[i:i + batch], cfg))
                for i in range(0, len(x), batch))
    return total / len(x)


def run_eval(args):
    cfg, params = load_folder(args.eval)
    tok, split = load_tokenizer(args.eval), read_split(args.data)
    ids = held_out_ids(tok, split)
    size = sum(len(h.encode()) for n, _, h in split if is_book(n))
    loss = evaluate(params, cfg, ids)
    print(f"{args.eval}: held-out loss {loss:.4f} nats per token, "
          f"{loss * len(ids) / size / math.log(2):.4f} bits per byte ({len(ids)} tokens, {size} bytes)")


@torch.no_grad()
def run_sample(args):
    cfg, params = load_folder(args.sample)
    tok, t = load_tokenizer(args.sample), cfg["n_positions"]
    for n in range(args.samples):
        rng = np.random.default_rng(args.seed + n)
        ids = tok.encode(args.prompt).ids
        while len(ids) < min(args.length, t):
            z = logits(params, torch.tensor([ids]), cfg)[-1].double().numpy() / args.temperature
            z[z < np.sort(z)[-args.top_k]] = -np.inf
            p = np.exp(z - z.max())
            ids.append(int(rng.choice(len(p), p=p / p.sum())))
            if ids[-1] == 0:
                break
        print(f"--- seed {args.seed + n}, temperature {args.temperature}, top-k {args.top_k}, {len(ids)} tokens")
        print(tok.decode(ids))


def run_train(args):
    os.makedirs(args.work, exist_ok=True)
    cfg = config(args)
    files, held, held_bytes = tokenize_all(args)
    simple, path = set(), os.path.join(args.data, "SIMPLICITY.tsv")
    if os.path.exists(path):
        rows = [line.rstrip("\n").split("\t") for line in open(path)][1:]
        simple = {r[3] for r in rows if int(r[2]) <= args.simple_bytes}
    ckpt = os.path.join(args.work, "checkpoint.pt")
    windows = Windows(files, simple, args.context, args.batch, args.seed)
    if os.path.exists(ckpt):
        ck = torch.load(ckpt, weights_only=True)
        cfg = ck["config"]
        windows.restore(ck["windows"])
        print(f"resumed at step {ck['step']}", flush=True)
    else:
        ck = {"config": cfg, "params": init_params(cfg, args.seed), "step": 0, "tokens": 0, "seconds": 0.0}
    flat = torch.cat([ck["params"][k].flatten() for k in shapes(cfg)]).share_memory_()
    p = views(flat, cfg)
    opt = Optimiser(p, cfg, args)
    if "optimiser" in ck:
        opt.restore(ck["optimiser"])
    torch.set_num_threads(1)                               # for the optimiser, alongside the
                                                           # workers
    gradients = Gradients(flat, cfg, args)
    print(f"{len(flat)} parameters, {sum(len(a) for _, a in files)} training tokens, {len(held)} held-out tokens "
          f"({held_bytes} bytes), {len(simple)} simple books", flush=True)

    def save():
        ck.update(params={k: v.clone() for k, v in p.items()}, optimiser=opt.state(), windows=windows.state())
        save_checkpoint(ckpt, ck)

    per_step = args.batch * args.context
    last, last_save, losses = time.time(), ck["seconds"], []
    log_tokens, log_seconds = ck["tokens"], ck["seconds"]
    while True:
        done = ck["tokens"] / args.tokens if args.tokens else ck["seconds"] / (60 * args.minutes)
        if done >= 1:
            break
        rate = min(1.0, (ck["step"] + 1) / args.warmup) * (1 - done)
        loss, grads = gradients(windows.next(int(done >= 1 - args.simple_share)))
        opt.step(grads, rate)
        losses.append(loss)
        ck["step"] += 1
        ck["tokens"] += per_step
        now = time.time()
        ck["seconds"], last = ck["seconds"] + now - last, now
        if ck["step"] % args.log_every == 0:
            print(f"step {ck['step']} epoch {windows.epoch} tokens {ck['tokens']} minutes {ck['seconds'] / 60:.1f} "
                  f"rate {rate:.3f} loss {np.mean(losses):.4f} "
                  f"tokens/s {(ck['tokens'] - log_tokens) / (ck['seconds'] - log_seconds):.0f}", flush=True)
            losses, log_tokens, log_seconds = [], ck["tokens"], ck["seconds"]
        if ck["seconds"] - last_save > 60 * args.save_minutes:
            last_save = ck["seconds"]
            save()
            print(f"step {ck['step']} held-out loss {evaluate(p, cfg, held, 5):.4f} (of one window in 5)",
                  flush=True)
    save()
    loss = evaluate(p, cfg, held)
    print(f"held-out loss {loss:.4f} nats per token, {loss * len(held) / held_bytes / math.log(2):.4f} bits per byte")
    export(ck, args)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    a = ap.add_argument
    a("--data", default="../shared/data/text/stories", help="folder of *.txt and SIMPLICITY.tsv (default %(default)s)")
    a("--work", default="build/train", help="folder for token cache and checkpoint (default %(default)s)")
    a("--out", default="models/demo", help="folder to export to (default %(default)s)")
    a("--export", action="store_true", help="export the newest checkpoint and stop")
    a("--eval", metavar="DIR", help="print the held-out loss and bits per byte of a model folder and stop")
    a("--sample", metavar="DIR", help="print text from a model folder and stop")
    a("--seed", type=int, default=1, help="of initialisation and data order, or of the first sample (default 1)")
    g = ap.add_argument_group("model")
    g.add_argument("--layers", type=int, default=6, help="default %(default)s")
    g.add_argument("--width", type=int, default=192, help="a multiple of 64, the head width (default %(default)s)")
    g.add_argument("--context", type=int, default=256, help="default %(default)s")
    g.add_argument("--vocab", type=int, default=4096, help="default %(default)s")
    g = ap.add_argument_group("training")
    g.add_argument("--minutes", type=float, default=95, help="budget in wall time (default %(default)s)")
    g.add_argument("--tokens", type=int, help="budget in tokens instead, for a run which depends on the seed alone")
    g.add_argument("--batch", type=int, default=16, help="windows in a step (default %(default)s)")
    g.add_argument("--micro", type=int, default=2, help="windows in a micro-batch (default %(default)s)")
    g.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: one a processor)")
    g.add_argument("--muon-lr", type=float, default=0.02, help="default %(default)s")
    g.add_argument("--muon-decay", type=float, default=0.02, help="weight decay, times the rate (default %(default)s)")
    g.add_argument("--momentum", type=float, default=0.95, help="Muon's (default %(default)s)")
    g.add_argument("--adam-lr", type=float, default=0.004, help="default %(default)s")
    g.add_argument("--adam-decay", type=float, default=0.05, help="embeddings only (default %(default)s)")
    g.add_argument("--warmup", type=int, default=100, help="steps (default %(default)s)")
    g.add_argument("--simple-share", type=float, default=0.2,
                   help="final share of the budget in which the simple texts are repeated (default %(default)s)")
    g.add_argument("--simple-bytes", type=int, default=7_000_000, help="size of the simple part (default %(default)s)")
    g.add_argument("--f32", action="store_true", help="matrix products of float32 rather than bfloat16")
    g.add_argument("--no-compile", action="store_true", help="without torch.compile")
    g.add_argument("--log-every", type=int, default=50, help="steps (default %(default)s)")
    g.add_argument("--save-minutes", type=float, default=5, help="between checkpoints (default %(default)s)")
    g = ap.add_argument_group("sampling")
    g.add_argument("--prompt", default="Once upon a time", help="default %(default)r")
    g.add_argument("--samples", type=int, default=1, help="default %(default)s")
    g.add_argument("--length", type=int, default=256, help="in tokens, the prompt's counted (default %(default)s)")
    g.add_argument("--temperature", type=float, default=0.8, help="default %(default)s")
    g.add_argument("--top-k", type=int, default=40, help="default %(default)s")
    args = ap.parse_args()
    args.dtype = torch.float32 if args.f32 else torch.bfloat16
    if args.eval:
        run_eval(args)
    elif args.sample:
        run_sample(args)
    elif args.export:
        export(torch.load(os.path.join(args.work, "checkpoint.pt"), weights_only=True), args)
    else:
        run_train(args)


if __name__ == "__main__":
    main()
