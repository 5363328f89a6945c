# SPDX-License-Identifier: Apache-2.0
"""hf.py GPT2RTL DEMO: checks for tokenizer folders in many forms that `gpt2rtl tokenize` gives the same ids as transformers, and what ends a text.

`make test-hf` runs it, with PYTHON where transformers is installed. test/test_tokenizer_folders.c holds values that
this script has confirmed, for machines without Python.
"""
import copy
import json
import os
import shutil
import subprocess
import sys
import tempfile

os.environ['TRANSFORMERS_VERBOSITY'] = 'error'
try:
    import transformers
    from transformers import AutoTokenizer
except ImportError as why:
    print(f'[  SKIPPED ] hf: {why}')
    sys.exit(0)

program, demo = sys.argv[1], sys.argv[2].rstrip('/') + '/'
root = tempfile.mkdtemp(prefix='gpt2rtl-hf-')
failures = passes = refused = 0

TEXTS = ['', ' ', '\n', 'Hello', ' Hello', '\nHello', 'hi <speaker1> x', 'a <|endoftext|> b', '<|endoftext|>',
         '<speaker1>Hello<speaker1> you', '<speaker1><speaker2>', 'a<x>b', 'a! b', '\u00a0x', '<q><speaker2>',
         "It's 12,345 o'clock\r\n\r\n  in caf\u00e9 \u4f60\u597d \U0001f600.", '<|endoftext', '<pad> <mask>', 'x' * 300]


def ours(folder, text):
    run = subprocess.run([program, 'tokenize', '--model', folder], input=text.encode(), capture_output=True)
    if run.returncode:
        return run.stderr.decode().strip()
    return [int(i) for i in run.stdout.split()]


def case(name, pair=True, saved=False, refuse=None, **files):
    """Compares a folder, with demo's pair of files or without, and with more files; refuse: expects this message instead."""
    global failures, passes, refused
    folder = os.path.join(root, name.replace(' ', '_'))
    os.makedirs(folder)
    shutil.copy(demo + 'config.json', folder)
    if pair:
        for f in ('vocab.json', 'merges.txt'):
            shutil.copy(demo + f, folder)
    for f, content in files.items():
        with open(f'{folder}/{f}.json', 'w') as out:
            json.dump(content, out)
    if refuse:
        found = ours(folder, 'x')
        ok = isinstance(found, str) and refuse in found
        refused += ok
        failures += not ok
        if not ok:
            print(f'[  FAILED  ] {name}: expected a refusal with "{refuse}", found {found}')
        return
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if saved:
        tokenizer.save_pretrained(folder + '_saved')
        shutil.copy(demo + 'config.json', folder + '_saved')
        folder += '_saved'
    for text in TEXTS:
        expected, found = tokenizer(text)['input_ids'], ours(folder, text)
        if found == expected:
            passes += 1
            continue
        failures += 1
        print(f'[  FAILED  ] {name}: {text!r}: expected {expected}, found {found}')


def ends(name, config, generation=None):
    """What ends a text: GenerationConfig's eos_token_id, without values that are not ids of the model."""
    global failures, passes
    from transformers import GenerationConfig
    folder = os.path.join(root, 'ends_' + name.replace(' ', '_'))
    os.makedirs(folder)
    for f in ('vocab.json', 'merges.txt', 'model.safetensors'):
        os.symlink(os.path.abspath(demo + f), f'{folder}/{f}')
    with open(f'{folder}/config.json', 'w') as out:
        json.dump({**json.load(open(demo + 'config.json')), **config}, out)
    if generation is not None:
        with open(f'{folder}/generation_config.json', 'w') as out:
            json.dump(generation, out)
    source = {} if generation is not None else dict(config_file_name='config.json', _from_model_config=True)
    expected = GenerationConfig.from_pretrained(folder, **source).eos_token_id
    expected = expected if isinstance(expected, list) else [expected]
    expected = [i for i in expected if i is not None and 0 <= i < 4096]
    run = subprocess.run([program, 'info', folder, '--json'], capture_output=True)
    found = json.loads(run.stdout)['stop_ids'] if run.returncode == 0 else run.stderr.decode()
    passes += found == expected
    failures += found != expected
    if found != expected:
        print(f'[  FAILED  ] {name}: expected {expected}, found {found}')


def token(content, id=None, **more):
    entry = dict(content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
    if id is not None:
        entry['id'] = id
    return {**entry, **more}


def main():
    base = AutoTokenizer.from_pretrained(demo)
    base.save_pretrained(root + '/base')
    one = json.load(open(root + '/base/tokenizer.json'))
    eot = token('<|endoftext|>', 0)

    def json_with(**parts):
        return {**copy.deepcopy(one), **parts}

    def settings(**parts):
        return {'tokenizer_class': 'GPT2Tokenizer', **parts}

    template = lambda *pieces: {
        'type': 'TemplateProcessing',
        'single': [{'Sequence': {'id': 'A', 'type_id': 0}} if p == 'A' else {'SpecialToken': {'id': p, 'type_id': 0}} for p in pieces],
        'pair': [{'Sequence': {'id': 'A', 'type_id': 0}}, {'Sequence': {'id': 'B', 'type_id': 0}}],
        'special_tokens': {p: {'id': p, 'ids': [0 if p != '!' else 1], 'tokens': [p]} for p in pieces if p != 'A'}}
    byte_level = {'type': 'ByteLevel', 'add_prefix_space': True, 'trim_offsets': True, 'use_regex': True}

    case('demo')
    case('demo saved', saved=True)
    case('one file', pair=False, tokenizer=json_with())
    case('one file without added tokens', pair=False, tokenizer=json_with(added_tokens=[]))
    case('byte level post', pair=False, tokenizer=json_with(post_processor=byte_level))
    case('no post', pair=False, tokenizer=json_with(post_processor=None))
    # add_bos_token in tokenizer_config.json counts only if there is no tokenizer.json.
    case('bos', tokenizer_config=settings(add_bos_token=True))
    case('bos of another text', tokenizer_config=settings(add_bos_token=True, bos_token='!'))
    case('bos saved', saved=True, tokenizer_config=settings(add_bos_token=True))
    case('bos and tokenizer.json', pair=False, tokenizer=json_with(), tokenizer_config=settings(add_bos_token=True))
    if int(transformers.__version__.split('.')[0]) >= 5:
        case('no bos', tokenizer_config=settings(add_bos_token=True, bos_token=None))
        case('eos', tokenizer_config=settings(add_eos_token=True))
        case('own name', tokenizer_config=settings(think_token='<speaker1>'))
        case('bos and eos', tokenizer_config=settings(add_eos_token=True, add_bos_token=True))
    case('template bos', pair=False, tokenizer=json_with(post_processor=template('<|endoftext|>', 'A')))
    case('template both', pair=False, tokenizer=json_with(post_processor=template('<|endoftext|>', '!', 'A', '!')))
    case('template not overruled', pair=False, tokenizer=json_with(post_processor=template('<|endoftext|>', 'A')),
         tokenizer_config=settings(add_bos_token=False))
    case('template in a sequence', pair=False, tokenizer=json_with(
        post_processor={'type': 'Sequence', 'processors': [byte_level, template('<|endoftext|>', 'A')]}))
    # add_prefix_space in tokenizer_config.json overrides tokenizer.json.
    case('prefix', tokenizer_config=settings(add_prefix_space=True))
    case('prefix saved', saved=True, tokenizer_config=settings(add_prefix_space=True))
    case('prefix and tokenizer.json', pair=False, tokenizer=json_with(), tokenizer_config=settings(add_prefix_space=True))
    case('no prefix and tokenizer.json', pair=False, tokenizer=json_with(pre_tokenizer=byte_level),
         tokenizer_config=settings(add_prefix_space=False))
    case('prefix of tokenizer.json alone', pair=False, tokenizer=json_with(pre_tokenizer=byte_level),
         refuse='add_prefix_space')
    case('prefix and added', tokenizer_config=settings(add_prefix_space=True), added_tokens={'<speaker1>': 4096})
    # Added tokens.
    case('added', added_tokens={'<speaker1>': 4096, '<speaker2>': 4097})
    case('added in another order', added_tokens={'<speaker1>': 4097, '<speaker2>': 4096})
    case('added saved', saved=True, added_tokens={'<speaker1>': 4096, '<speaker2>': 4097})
    case('added with a gap', added_tokens={'<speaker1>': 5000}, refuse='expected ids without a gap')
    case('added beside tokenizer.json', pair=False, tokenizer=json_with(), added_tokens={'<speaker1>': 4096})
    case('decoder', tokenizer_config=settings(added_tokens_decoder={'4096': token('<speaker1>')}))
    case('decoder hides added', tokenizer_config=settings(added_tokens_decoder={'4096': token('<speaker2>')}),
         added_tokens={'<speaker1>': 4096, '<q>': 4097})
    case('decoder beside tokenizer.json', pair=False, tokenizer=json_with(),
         tokenizer_config=settings(added_tokens_decoder={'4096': token('<speaker1>')}))
    case('added in tokenizer.json', pair=False, tokenizer=json_with(added_tokens=[eot, token('<speaker1>', 4096)]))
    case('special in vocab', tokenizer_config=settings(eos_token='!'))
    case('other specials', tokenizer_config=settings(eos_token='<speaker1>', bos_token='<speaker1>', unk_token='<speaker1>'))
    case('no specials', tokenizer_config=settings(eos_token=None, bos_token=None, unk_token=None))
    case('pad', tokenizer_config=settings(pad_token='<speaker1>'))
    case('pad and mask', tokenizer_config=settings(mask_token='<mask>', pad_token='<pad>'))
    case('specials as objects', tokenizer_config=settings(
        bos_token={'__type': 'AddedToken', **{k: v for k, v in token('<|endoftext|>', normalized=True).items() if k != 'special'}},
        pad_token='<pad>'))
    case('more specials', tokenizer_config=settings(additional_special_tokens=['<speaker2>', '<speaker1>'], pad_token='<pad>'))
    case('special map', special_tokens_map={'pad_token': '<speaker1>'})
    case('special map hidden', special_tokens_map={'pad_token': '<speaker1>'},
         tokenizer_config=settings(added_tokens_decoder={'4096': token('<speaker2>')}))
    case('special map over config', special_tokens_map={'pad_token': '<speaker1>'}, tokenizer_config=settings(pad_token='<pad>'))
    # The order in which added tokens are found.
    x = dict(special=False)
    case('raw before normalized', pair=False, tokenizer=json_with(
        added_tokens=[eot, token('<x>', 4096, normalized=True, **x), token('x>', 4097, **x)]))
    case('raw before normalized special', pair=False, tokenizer=json_with(
        added_tokens=[eot, token('<x>', 4096, normalized=True), token('x>', 4097, **x)]))
    case('longest', pair=False, tokenizer=json_with(added_tokens=[eot, token('<x', 4096, **x), token('<x>', 4097, **x)]))
    case('special of a file before others', added_tokens={'<x>': 4096, 'x>': 4097}, tokenizer_config=settings(pad_token='x>'))
    case('split specials', tokenizer_config=settings(split_special_tokens=True), refuse='split_special_tokens')
    case('lstrip', tokenizer_config=settings(added_tokens_decoder={'4096': token('<mask>', lstrip=True)}), refuse='lstrip')

    ends('one', {})
    ends('list', {'eos_token_id': [0, 14]})
    ends('none', {'eos_token_id': None})
    ends('generation', {}, {'eos_token_id': 14})
    ends('generation list', {}, {'eos_token_id': [14, 0]})
    ends('generation without', {}, {'temperature': 0.5})
    ends('outside', {'eos_token_id': [50256, 3]})

    print(f'hf: transformers {transformers.__version__}: {passes} texts and ends as there, {refused} folders refused, {failures} failed')
    shutil.rmtree(root)
    sys.exit(failures > 0)


main()
