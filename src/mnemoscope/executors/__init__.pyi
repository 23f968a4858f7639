from .beside import run_in_processes as run_in_processes
from .beside import threads_each as threads_each
from .cluster import run_on_ray as run_on_ray
from .events import Event as Event
from .events import Note as Note
from .events import Told as Told
from .here import run_here as run_here
