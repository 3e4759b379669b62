"""From a document to a server configuration: which way this machine can run it, what to ask, the exact command.

    machine     what this machine can run (npx, uvx, docker, scripts that are installed already)
    ways        the ways to use a document here, best first, each with its questions
    answers     values given by a person, checked against what the document asks
    commands    a way and answers to a server configuration and the command as it will run; never through a shell

Pure apart from `machine`, which looks at the PATH. Above: `actions`, the API, the pages. Below: `documents`.
"""
