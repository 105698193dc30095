# tinygpt's server. The shipped model comes with the package; nothing is downloaded when it starts.
#   docker build -t tinygpt . && docker run -p 8000:8000 -e TINYGPT_API_KEY=secret tinygpt
FROM python:3.12-slim

WORKDIR /srv/tinygpt
COPY pyproject.toml README.md LICENSE ./
COPY tinygpt ./tinygpt
COPY checkpoints ./checkpoints
RUN pip install --no-cache-dir ".[serve]"

RUN useradd --system --home-dir /srv/models --create-home server
USER server
WORKDIR /srv/models

# a container is reached from outside, so the server asks for TINYGPT_API_KEY and will not start without
ENV TINYGPT_HOST=0.0.0.0 TINYGPT_PORT=8000 PYTHONUNBUFFERED=1
EXPOSE 8000
HEALTHCHECK --interval=10s --start-period=20s CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['TINYGPT_PORT'] + '/ready')"]
CMD ["python", "-m", "tinygpt.serve"]
