class Restores:
    def __init__(self, server): self.s=server
    def seen(self, change): pass
    def loops(self): return iter(())
    def killed(self): pass
